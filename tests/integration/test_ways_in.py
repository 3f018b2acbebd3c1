"""The ways in, against a real controller: POST, `fleetctl submit`, a slicer that thinks it talks to OctoPrint."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.real_site import RealSite, print_program

PRINT = print_program(20)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSite]:
    with RealSite(tmp_path_factory.mktemp("site")) as made:
        yield made


def fleetctl(site: RealSite, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fleetctl", *arguments]
    environment = {**os.environ, "FLEETCTL_DATA": str(site.data), "COLUMNS": "120"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_by_http(site: RealSite) -> None:
    code = site.submit(PRINT, 40, title="brackets", priority=3)
    job = site.get(f"jobs/{code}")
    assert (job["quantity"], job["title"], job["priority"], job["to_make"]) == (40, "brackets", 3, 40)
    assert job["why"]["sentence"] == "There is no machine yet: add one."


def test_by_the_command_line(site: RealSite, tmp_path: Path) -> None:
    file = tmp_path / "clip.gcode"
    file.write_bytes(PRINT)
    done = fleetctl(site, "submit", str(file), "--quantity", "12", "--material", "PETG")
    assert done.returncode == 0, done.stderr
    code = next(word.strip(".,:") for word in done.stdout.split() if word.startswith("J-"))
    job = site.get(f"jobs/{code}")
    assert (job["quantity"], job["material"]) == (12, "PETG")
    explained = fleetctl(site, "job", "explain", code)
    assert "There is no machine yet: add one." in explained.stdout
    listed = fleetctl(site, "job", "list", "--json")
    assert code in [each["code"] for each in json.loads(listed.stdout)]


def test_the_command_line_says_what_is_wrong_and_ends_with_its_status(site: RealSite, tmp_path: Path) -> None:
    picture = tmp_path / "picture.gcode"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    refused = fleetctl(site, "submit", str(picture), "--quantity", "1")
    assert refused.returncode == 1
    assert "G-code" in refused.stderr + refused.stdout
    assert fleetctl(site, "submit", str(picture)).returncode == 2
    missing = fleetctl(site, "job", "show", "J-9999")
    assert missing.returncode == 1
    assert "J-9999" in missing.stderr + missing.stdout


def slicer(site: RealSite, method: str, path: str, key: str, body: bytes | None = None, kind: str = "") -> Any:
    url = (site.data / "address").read_text().strip() + path
    headers = {"X-Api-Key": key, "User-Agent": "PrusaSlicer/2.5.0"} | ({"Content-Type": kind} if kind else {})
    with urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method), timeout=30) as answer:
        return answer.status, json.loads(answer.read())


def test_by_a_slicer(site: RealSite) -> None:
    """What PrusaSlicer sends: GET /api/version with the key `api`, then a multipart POST with `print`."""
    key = site.post("tokens", {"name": "slicer", "role": "submit"})["secret"]
    status, version = slicer(site, "GET", "/api/version", key)
    assert status == 200
    assert version["api"]
    assert version["text"].startswith("OctoPrint")
    body = (
        b'--edge\r\nContent-Disposition: form-data; name="print"\r\n\r\ntrue\r\n'
        b'--edge\r\nContent-Disposition: form-data; name="path"\r\n\r\n\r\n'
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="vase.gcode"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + PRINT + b"\r\n--edge--\r\n"
    )
    before = {job["code"] for job in site.get("jobs")}
    status, _ = slicer(site, "POST", "/api/files/local", key, body, "multipart/form-data; boundary=edge")
    assert status == 201
    [job] = [job for job in site.get("jobs") if job["code"] not in before]
    assert (job["quantity"], job["state"]) == (1, "queued"), "queued, never started past the clear gate"


def test_a_slicer_with_a_wrong_key_is_refused(site: RealSite) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        slicer(site, "POST", "/api/files/local", "wrong", b"--edge--\r\n", "multipart/form-data; boundary=edge")
    with refused.value as answer:
        assert answer.code in (401, 403)


def test_secrets_are_for_the_owner_only_and_in_no_log(site: RealSite) -> None:
    token = (site.data / "admin.token").read_text().strip()
    assert stat.S_IMODE((site.data / "admin.token").stat().st_mode) == 0o600
    assert (
        stat.S_IMODE(site.data.stat().st_mode) & 0o077 == 0
        or (site.data / "admin.token").stat().st_uid == os.getuid()
    )
    for file in (site.home / "controller.log", site.data / "agent.log", site.data / "fleetctl.sqlite"):
        if file.exists():
            assert token.encode() not in file.read_bytes(), file
