"""Which versions are wanted, loaded and unloaded, with a stand-in for loading."""

import logging
import threading
import time

import pytest

from model_server.configuration import All, Latest, ModelConfig, ServerConfig, Specific
from model_server.core.lookup import Lookup
from model_server.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    UnknownError,
)
from model_server.versions.configurator import Configurator
from model_server.versions.discovery import find_versions, wanted_versions
from model_server.versions.manager import LoadPolicy, Manager
from model_server.versions.states import Board, State
from model_server.versions.watcher import Watcher
from serving_client import protos


class Loads:
    """Stands in for a loader: notes what is loaded and closed, in which order."""

    def __init__(self):
        self.done = []
        self.broken = {}  # version to the error of its load
        self.slow = {}  # version to the event its load waits for

    def __call__(self, name, version, path):
        self.done.append(("load", name, version))
        if version in self.slow:
            assert self.slow[version].wait(20)
        if version in self.broken:
            raise self.broken[version]
        return Loaded(self, name, version)


class Loaded:
    def __init__(self, loads, name, version):
        self.loads, self.name, self.version = loads, name, version

    def close(self):
        self.loads.done.append(("close", self.name, self.version))


class World:
    """A manager, a watcher and a configurator over directories of `root`."""

    def __init__(self, root, labels_ahead=False, **policy):
        self.root, self.loads, self.board = root, Loads(), Board()
        policy = LoadPolicy(**{"retry_seconds": 0.0, **policy})
        self.manager = Manager(self.loads, self.board, policy)
        self.watcher = Watcher(self.manager, 0)
        self.lookup = Lookup(self.manager)
        self.configurator = Configurator(
            self.lookup, self.manager, self.board, self.watcher, labels_ahead
        )
        self.manager.start()

    def add(self, *versions, model="m"):
        for version in versions:
            (self.root / model / str(version)).mkdir(parents=True)

    def remove(self, *versions, model="m"):
        for version in versions:
            (self.root / model / str(version)).rmdir()

    def config(self, policy=None, labels=None, models=("m",)):
        policy = policy or Latest()
        return ServerConfig(
            {name: ModelConfig(name, self.root / name, policy, labels or {}) for name in models}
        )

    def wait(self, model="m", **states):
        """Wait until these versions, as `v1="AVAILABLE"`, are in these states."""
        wanted = {int(key[1:]): State[state] for key, state in states.items()}
        deadline = time.monotonic() + 20
        while self.states(model) != wanted:
            assert time.monotonic() < deadline, (self.states(model), wanted)
            time.sleep(0.005)

    def states(self, model="m"):
        return {state.version: state.state for state in self.board.versions(model)}

    def answers(self, **spec):
        with self.lookup.lend_spec(protos.ModelSpec(name="m", **spec)) as servable:
            return servable.version


@pytest.fixture
def world(tmp_path):
    made = []

    def world(**options):
        made.append(World(tmp_path, **options))
        return made[-1]

    yield world
    for one in made:
        one.manager.stop()


def test_versions_are_children_named_by_a_number(tmp_path, caplog):
    for name in ("00000123", "7", "v8", "9.5", "-1", "9223372036854775808", "٣"):
        (tmp_path / name).mkdir()
    (tmp_path / "10").touch()
    assert {n: p.name for n, p in find_versions(tmp_path).items()} == {
        123: "00000123",
        7: "7",
        10: "10",
    }
    (tmp_path / "123").mkdir()
    assert find_versions(tmp_path)[123].name == "123"
    assert "are the same version 123" in caplog.text


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (Latest(), {3}),
        (Latest(0), {3}),
        (Latest(2), {2, 3}),
        (Latest(9), {1, 2, 3}),
        (All(), {1, 2, 3}),
        (Specific(frozenset({1, 5})), {1}),
        (Specific(frozenset()), set()),
    ],
)
def test_policies(tmp_path, caplog, policy, wanted):
    for version in (1, 2, 3):
        (tmp_path / str(version)).mkdir()
    assert set(wanted_versions(ModelConfig("m", tmp_path, policy))) == wanted
    assert ("Version 5 of servable m, which was requested" in caplog.text) == (wanted == {1})


@pytest.mark.parametrize("path", ["models/m", "gs://models/m", "/models/\0m", ""])
def test_a_path_must_be_absolute(path):
    with pytest.raises(InvalidArgumentError, match="Expected model m to have an absolute path"):
        ModelConfig("m", path)


def test_the_highest_is_loaded_first_and_the_old_goes_when_the_new_serves(world):
    w = world(parallel_at_start=1)
    w.add(1, 2)
    w.configurator.apply(w.config(All()))
    w.wait(v1="AVAILABLE", v2="AVAILABLE")
    assert w.loads.done == [("load", "m", 2), ("load", "m", 1)]
    gate = w.loads.slow[3] = threading.Event()
    w.add(3)
    w.configurator.apply(w.config())
    # One of the old ones stays until the new one serves, and it is the highest.
    w.wait(v1="END", v2="AVAILABLE", v3="LOADING")
    assert w.answers() == 2
    gate.set()
    w.wait(v1="END", v2="END", v3="AVAILABLE")
    assert w.answers() == 3
    assert w.loads.done[2:] in (
        [("load", "m", 3), ("close", "m", 1), ("close", "m", 2)],
        [("close", "m", 1), ("load", "m", 3), ("close", "m", 2)],
    )


def test_a_load_is_tried_again_and_meanwhile_it_is_loading(world):
    w = world(retries=2)
    w.add(1)
    w.loads.broken[1] = NotFoundError("gone")
    with pytest.raises(
        UnknownError,
        match=r"1 servable\(s\) did not become available: \{\{\{name: m version: 1\} due to error: "
        r"NOT_FOUND: gone\}, \}",
    ):
        w.configurator.apply(w.config())
    assert w.loads.done == [("load", "m", 1)] * 3
    assert w.states() == {1: State.END}
    w.watcher.poll()
    assert w.loads.done == [("load", "m", 1)] * 3  # as long as it stays on disk
    del w.loads.broken[1]
    w.remove(1)
    w.watcher.poll()
    w.add(1)
    w.watcher.poll()
    w.wait(v1="AVAILABLE")


def test_retries_end_when_the_version_is_no_longer_wanted(world, caplog):
    w = world(retry_seconds=3600)
    w.add(1)
    w.loads.broken[1] = NotFoundError("gone")
    w.watcher.watch(w.config().models)
    deadline = time.monotonic() + 20
    while "(attempt 1 of 6, next in 3600 s): NOT_FOUND: gone" not in caplog.text:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    w.remove(1)
    w.watcher.poll()
    w.wait(v1="END")
    assert w.loads.done == [("load", "m", 1)]


def test_a_failure_that_nobody_foresaw_ends_the_load(world, caplog):
    w = world(retries=0)
    w.add(1)
    w.loads.broken[1] = RuntimeError("surprise")
    with (
        caplog.at_level(logging.CRITICAL),
        pytest.raises(UnknownError, match="INTERNAL: RuntimeError: surprise"),
    ):
        w.configurator.apply(w.config())


def test_a_broken_version_leaves_the_old_one_serving(world):
    w = world(retries=0)
    w.add(1)
    w.configurator.apply(w.config())
    w.loads.broken[2] = NotFoundError("gone")
    w.add(2)
    w.watcher.poll()
    w.wait(v1="AVAILABLE", v2="END")
    assert w.answers() == 1
    assert w.board.versions("m")[0].error.message == "gone"


def test_an_empty_base_path_unloads_everything_and_a_missing_one_nothing(world, caplog):
    w = world()
    w.add(1)
    w.add(1, model="other")
    w.configurator.apply(w.config(models=("m", "other")))
    away = w.root / "away"
    (w.root / "m").rename(away)
    w.remove(1, model="other")
    w.watcher.poll()
    # The round is over for all models, also for those it could have looked at.
    assert "FileSystemStoragePathSource encountered a filesystem access error: Could not find" in (
        caplog.text
    )
    assert w.states("other") == {1: State.AVAILABLE}
    away.rename(w.root / "m")
    w.remove(1)
    w.watcher.poll()
    w.wait(v1="END")
    w.wait("other", v1="END")
    assert "No versions of servable m found under base path" in caplog.text
    with pytest.raises(NotFoundError, match=r"Servable not found for request: Latest\(m\)"):
        w.answers()


def test_a_request_keeps_its_version_and_unloading_waits_for_it(world):
    w = world()
    w.add(1)
    w.configurator.apply(w.config())
    with w.lookup.lend_spec(protos.ModelSpec(name="m")) as servable:
        w.remove(1)
        w.watcher.poll()
        w.wait(v1="UNLOADING")
        with pytest.raises(NotFoundError):
            w.answers()
        assert servable.version == 1
        assert w.loads.done == [("load", "m", 1)]
    w.wait(v1="END")
    assert w.loads.done == [("load", "m", 1), ("close", "m", 1)]


def test_an_empty_configuration_unloads_everything(world):
    w = world()
    w.add(1)
    w.configurator.apply(w.config())
    w.configurator.apply(ServerConfig({}))
    w.wait(v1="END")
    w.configurator.apply(w.config())
    assert w.answers() == 1


UNAVAILABLE = "Request to assign label to version {} of model m, which is not currently available"


def test_labels_point_to_what_serves(world):
    w = world()
    w.add(1, 2)
    with pytest.raises(FailedPreconditionError, match=UNAVAILABLE.format(2)):
        w.configurator.apply(w.config(labels={"stable": 2}))
    assert not w.states()  # nothing of the configuration was applied
    w.configurator.apply(w.config(All()))
    w.wait(v1="AVAILABLE", v2="AVAILABLE")
    w.configurator.apply(w.config(All(), {"stable": 1, "old": 1}))
    assert w.answers(version_label="stable") == w.answers(version_label="old") == 1
    with pytest.raises(FailedPreconditionError, match=UNAVAILABLE.format(3)):
        w.configurator.apply(w.config(Latest(), {"stable": 3}))
    assert w.answers(version_label="stable") == 1
    w.configurator.apply(w.config(All(), {"stable": 2}))
    assert w.answers(version_label="stable") == 2
    with pytest.raises(InvalidArgumentError, match="Unrecognized servable version label: old"):
        w.answers(version_label="old")


def test_new_labels_may_come_first_and_old_ones_still_may_not(world):
    w = world(labels_ahead=True)
    w.add(1)
    w.configurator.apply(w.config(labels={"next": 2}))
    with pytest.raises(NotFoundError, match=r"Servable not found for request: Specific\(m, 2\)"):
        w.answers(version_label="next")
    w.configurator.apply(w.config(labels={"next": 2}))
    with pytest.raises(FailedPreconditionError, match=UNAVAILABLE.format(3)):
        w.configurator.apply(w.config(labels={"next": 3}))
    w.configurator.apply(w.config(labels={"next": 1}))
    assert w.answers(version_label="next") == 1
