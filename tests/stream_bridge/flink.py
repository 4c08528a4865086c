"""A Flink cluster of two processes, job manager and task manager; either can be killed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from examples.services.process import ROOT, Service, free_port

JOB_SERVER = ROOT / ".tools" / "flink" / "job-server.jar"
_OPEN = ("lang", "util", "nio", "time", "util.concurrent", "lang.invoke")
_MAIN = {
    "jobmanager": "entrypoint.StandaloneSessionClusterEntrypoint",
    "taskmanager": "taskexecutor.TaskManagerRunner",
}


class FlinkProcess(Service):
    """One of the two."""

    def __init__(self, folder: Path, role: str, port: int):
        super().__init__(folder)
        self.port = port
        self._role = role

    def command(self) -> Sequence[str]:
        opened = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _OPEN]
        opened += [
            f"--add-opens=java.base/sun.{name}=ALL-UNNAMED" for name in ("nio.ch", "net.util")
        ]
        opened.append("--add-exports=java.base/sun.net.util=ALL-UNNAMED")
        memory = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        classes = ["-cp", f"{JOB_SERVER.parent}/lib/*"]
        main = f"org.apache.flink.runtime.{_MAIN[self._role]}"
        return ["java", *memory, *opened, *classes, main, "--configDir", str(self.folder)]


class FlinkCluster:
    """A context manager; `master` is what ``flink.master`` wants."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        rest, rpc, data = free_port(), free_port(), free_port()
        (folder / "flink-conf.yaml").write_text(
            _SETTINGS.format(rest=rest, rpc=rpc, data=data, folder=folder)
        )
        self.master = f"127.0.0.1:{rest}"
        self.job_manager = FlinkProcess(folder, "jobmanager", rest)
        self.task_manager = FlinkProcess(folder, "taskmanager", data)

    def __enter__(self) -> FlinkCluster:
        self.job_manager.start()
        self.task_manager.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.task_manager.kill()
        self.job_manager.kill()

    def metrics(self, name: str) -> list[int]:
        """What the cluster's REST API tells of a Beam metric, a value a step; it is late."""
        told = []
        for job in self._get("/jobs")["jobs"]:
            for vertex in self._get(f"/jobs/{job['id']}")["vertices"]:
                path = f"/jobs/{job['id']}/vertices/{vertex['id']}/metrics"
                ids = [each["id"] for each in self._get(path)]
                for each in ids:
                    if each.endswith(f".{name}"):
                        [found] = self._get(f"{path}?get={quote(each, safe='')}")
                        told.append(int(found["value"]))
        return told

    def _get(self, path: str) -> Any:
        with urlopen(f"http://{self.master}{path}", timeout=10) as answer:
            return json.load(answer)


_SETTINGS = """\
jobmanager.rpc.address: 127.0.0.1
jobmanager.rpc.port: {rpc}
rest.address: 127.0.0.1
rest.port: {rest}
rest.bind-address: 127.0.0.1
heartbeat.interval: 500
heartbeat.timeout: 3000
io.tmp.dirs: {folder}
taskmanager.bind-host: 127.0.0.1
taskmanager.host: 127.0.0.1
taskmanager.data.port: {data}
taskmanager.numberOfTaskSlots: 1
taskmanager.cpu.cores: 1
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 64m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 64m
taskmanager.memory.jvm-overhead.max: 64m
taskmanager.memory.task.heap.size: 256m
taskmanager.memory.task.off-heap.size: 64m
taskmanager.memory.network.min: 64m
taskmanager.memory.network.max: 64m
taskmanager.memory.managed.size: 64m
classloader.resolve-order: parent-first
"""
