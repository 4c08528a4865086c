"""Lines to events: plain lines, JSON, CSV, syslog, loghub-style headers, a user's own parser."""
