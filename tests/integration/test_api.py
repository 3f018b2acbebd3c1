"""The web side of a real daemon: events through a kill, uploads cut off, stop over a restart, slicers' own bytes."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.real_site import RealSite, print_program, wait_for
from tests.unit.gcode import packers

pytestmark = pytest.mark.slow

PART = print_program(20)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSite]:
    with RealSite(tmp_path_factory.mktemp("site")) as made:
        yield made


def address(site: RealSite) -> tuple[str, int]:
    """Host and port on which the daemon answers now."""
    parts = urlsplit((site.data / "address").read_text().strip())
    assert parts.hostname and parts.port
    return parts.hostname, parts.port


def token(site: RealSite) -> str:
    return (site.data / "admin.token").read_text().strip()


def ask(
    site: RealSite, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """One request as it is; status, headers and body of the answer."""
    connection = http.client.HTTPConnection(*address(site), timeout=20)
    try:
        sent = {"X-Api-Key": token(site)} | {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


class EventReader:
    """A client of the event stream, in plain sockets."""

    def __init__(self, site: RealSite, after: int) -> None:
        self._socket = socket.create_connection(address(site), timeout=20)
        request = f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: {token(site)}\r\n"
        self._socket.sendall(f"{request}Accept: text/event-stream\r\nLast-Event-ID: {after}\r\n\r\n".encode())
        self._lines = self._socket.makefile("rb")

    def events(self) -> Iterator[dict[str, Any]]:
        """Events until the connection ends."""
        try:
            for line in self._lines:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
        except OSError:
            return

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


def test_events_go_on_after_kill_with_nothing_missed_and_nothing_twice(site: RealSite) -> None:
    site.submit(PART, 2, hold=True)
    reader = EventReader(site, 0)
    seen = [event["sequence"] for event, _ in zip(reader.events(), site.events(), strict=False)]
    site.kill_controller()
    seen += [event["sequence"] for event in reader.events()]
    reader.close()
    site.start_controller()
    site.submit(PART, 3, hold=True)
    wanted = len(site.events())
    reader = EventReader(site, seen[-1])
    for event in reader.events():
        seen.append(event["sequence"])
        if len(seen) >= wanted:
            break
    reader.close()
    assert seen == list(range(1, len(seen) + 1))
    assert [event["sequence"] for event in site.events()][: len(seen)] == seen


def test_the_stop_is_still_pressed_after_a_restart(site: RealSite) -> None:
    site.post("estop", {})
    site.kill_controller()
    site.start_controller()
    assert site.get("estop")["stopped"]
    assert not site.post("estop/release", {})["stopped"]


def program_events(site: RealSite) -> int:
    """Events that tell of a program; those of machines come when they like."""
    return sum(event["kind"].startswith("program.") for event in site.events())


def stored_files(site: RealSite) -> list[Path]:
    return sorted(path for path in (site.data / "programs").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("program", "line", "words"),
    [
        (b"", 1, "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), 1, "picture"),
        (b"hello world\n", 1, "not G-code"),
        (b"G28\nG1 X10 F600\nG1 X20 Y", 3, "middle of a word"),
        (b"G28\nG1 X10 F600\n" + bytes(400) + b"\nG1 X20\n", 3, ""),
    ],
)
def test_a_file_that_is_not_whole_names_its_line_and_is_stored_nowhere(
    site: RealSite, program: bytes, line: int, words: str
) -> None:
    before, events = stored_files(site), program_events(site)
    with pytest.raises(AssertionError, match="POST programs: 422 ") as refused:
        site.upload("part.gcode", program)
    problem = json.loads(str(refused.value).partition(" 422 ")[2])
    assert (problem["code"], problem["line"]) == ("not-gcode", line)
    assert words in problem["detail"] and problem["hint"]
    assert stored_files(site) == before
    assert program_events(site) == events


def test_an_upload_cut_off_in_the_middle_leaves_nothing(site: RealSite) -> None:
    before, events = stored_files(site), program_events(site)
    head = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="big.gcode"\r\n\r\n'
    with socket.create_connection(address(site), timeout=20) as connection:
        request = f"POST /api/v1/programs HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: {token(site)}\r\n"
        request += "Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: 90000000\r\n\r\n"
        connection.sendall(request.encode() + head + b"G1 X1 Y1\n" * 300_000)
        wait_for("the first blocks", lambda: len(stored_files(site)) > len(before))
    wait_for("the cut upload to be gone", lambda: stored_files(site) == before)
    assert program_events(site) == events
    # Somebody who leaves is no error of ours.
    assert "Traceback" not in (site.home / "controller.log").read_text()


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF\x02\x01\x01\0\0", b"\x89PNG\r\n\x1a\n\0\0", b"just a letter to you\n"]
)
def test_what_is_no_gcode_is_refused_and_stored_nowhere(content: bytes, site: RealSite) -> None:
    before, events = stored_files(site), program_events(site)
    with pytest.raises(AssertionError, match="422"):
        site.upload("letter.gcode", content)
    assert (stored_files(site), program_events(site)) == (before, events)


def test_another_name_or_another_sites_page_gets_nothing(site: RealSite) -> None:
    assert ask(site, "GET", "/api/v1/machines", Host="evil.example")[0] == 403
    assert ask(site, "POST", "/api/v1/estop", Origin="http://evil.example")[0] == 403
    assert not site.get("estop")["stopped"]


def test_a_browser_that_is_not_signed_in_is_asked_to(site: RealSite) -> None:
    status, headers, _ = ask(site, "GET", "/", X_Api_Key="", Accept="text/html")
    assert (status, headers["Location"]) == (303, "/login?next=/")


def multipart(*parts: tuple[str, str, bytes]) -> tuple[bytes, str]:
    """A body as curl writes it, which PrusaSlicer and OrcaSlicer use: name, filename (or none), content."""
    edge = "------------------------a93b6f1f4e1c0d52"
    body = b""
    for name, filename, content in parts:
        file = f'; filename="{filename}"\r\nContent-Type: application/octet-stream' if filename else ""
        body += (
            f'--{edge}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"
        )
    return body + f"--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"


SLICERS = {
    "PrusaSlicer": [("print", "", b"true"), ("path", "", b""), ("file", "part_0.2mm_PLA_12m.gcode", PART)],
    "OrcaSlicer": [("print", "", b"true"), ("path", "", b""), ("file", "part_PLA_12m3s.gcode", PART)],
    "Cura": [("select", "", b"true"), ("print", "", b"true"), ("file", "UM_part.gcode", PART)],
}


@pytest.mark.parametrize("slicer", SLICERS)
def test_slicers_upload_as_to_octoprint(slicer: str, site: RealSite) -> None:
    assert ask(site, "GET", "/api/version", X_Api_Key="wrong")[0] == 401
    status, _, body = ask(site, "GET", "/api/version", User_Agent=slicer)
    assert status == 200
    assert json.loads(body)["text"].startswith("OctoPrint")
    body, kind = multipart(*SLICERS[slicer])
    status, headers, answer = ask(
        site, "POST", "/api/files/local", body, Content_Type=kind, User_Agent=slicer, Expect="100-continue"
    )
    said = json.loads(answer)
    assert status == 201
    assert said["done"] is True
    job = site.get(f"jobs/{said['fleetctl']['job']}")
    assert (job["quantity"], job["state"]) == (1, "queued")
    assert headers["Location"].endswith(said["fleetctl"]["program"])
    # Nothing starts past the clear gate: there is not even a machine.
    assert job["why"]["code"] == "no-machine"


def test_binary_gcode_from_prusaslicer_is_stored_as_plain_text(site: RealSite) -> None:
    """PrusaSlicer sends .bgcode to an OctoPrint host; what is approved and streamed is the text in it (I4)."""
    text = PART + b"; a third\n"
    binary = packers.bgcode(text, how=packers.DEFLATE)
    body, kind = multipart(("print", "", b"true"), ("path", "", b""), ("file", "part_0.4n_PLA_MK4.bgcode", binary))
    status, _, answer = ask(site, "POST", "/api/files/local", body, Content_Type=kind, Expect="100-continue")
    assert status == 201
    stored = json.loads(answer)["fleetctl"]["program"]
    assert stored == hashlib.sha256(text).hexdigest()
    program = site.get(f"programs/{stored}")
    assert (program["name"], program["size_bytes"]) == ("part_0.4n_PLA_MK4.gcode", len(text))
    assert program["analysis"]["container"]["name"] == "part_0.4n_PLA_MK4.bgcode"
    assert program["analysis"]["container"]["sha256"] == hashlib.sha256(binary).hexdigest()
    status, _, page = ask(site, "GET", f"/programs/{stored[:12]}", Accept="text/html")
    assert status == 200 and b"part_0.4n_PLA_MK4.bgcode (bgcode" in page


def test_print_false_only_stores(site: RealSite) -> None:
    jobs = len(site.get("jobs"))
    body, kind = multipart(("print", "", b"false"), ("file", "later.gcode", PART + b"; another\n"))
    status, _, answer = ask(site, "POST", "/api/files/local", body, Content_Type=kind)
    assert status == 201
    assert json.loads(answer)["fleetctl"]["job"] is None
    assert len(site.get("jobs")) == jobs


def test_every_page_of_an_empty_site_is_there(site: RealSite) -> None:
    for path in ("/", "/todo", "/queue", "/upload", "/machines/add", "/stop", "/more"):
        status, headers, body = ask(site, "GET", path, Accept="text/html")
        assert status == 200, path
        assert headers["Content-Type"].startswith("text/html")
        assert b"Stop all" in body
