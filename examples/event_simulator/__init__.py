"""A small fleet of services that writes log lines, has incidents, and tells the truth later.

Standard library only, Python 3.10 or later, no download. Start it from the repository root::

    python -m examples.event_simulator history --events 6000 --out history.jsonl
    python -m examples.event_simulator stream --rate 50 --seconds 60 --to file:live.jsonl \
        --labels labels.jsonl --label-delay 5

The same seed gives the same events. Severity does not give an incident away: some ERROR lines are
everyday business, and some INFO lines report trouble by nothing but a number.
"""
