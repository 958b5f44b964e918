"""The report page: whole in itself, honest about absent values, and its video plays in a browser."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from stage_bringup.report.charts import episode_chart
from stage_bringup.report.content import stage_spans, view_episode
from stage_bringup.report.page import render_page
from stage_bringup.report.summary import summarise
from stage_bringup.report.video import encode_video, shown_size
from stage_bringup.session import EpisodeResult
from stage_core.episode import Episode
from stage_core.monitor import StageEvent

NAMES = ["reach", "contact", "push", "goal", "success"]
STEPS = 40


def synthetic_episode(directory: Path) -> Episode:
    """Return 40 steps at 20 Hz: 10 of reach, 5 of contact, 15 of push, 5 of goal, 5 of success; the potential is absent at 2 steps."""
    stages = np.repeat(np.arange(5, dtype=np.uint8), [10, 5, 15, 5, 5])
    potentials = np.linspace(0.0, 1.0, STEPS)
    potentials[20:22] = np.nan
    images = np.zeros((STEPS, 128, 128, 3), dtype=np.uint8)
    for step in range(STEPS):
        images[step, 40:80, 2 * step : 2 * step + 30, 0] = 220
    stamps = 100.0 + 0.05 * np.arange(STEPS)
    events = [
        StageEvent(
            kind="entered",
            stage=1,
            stage_name="contact",
            previous_stage=0,
            previous_stage_name="reach",
            sequence=10,
            stamp=100.5,
            evidence="contact force 1.2 N > 0.05 N <&>",
        )
    ]
    return Episode(
        identifier="20250101T120000_PushCube_abcd",
        directory=directory,
        metadata={"task": "PushCube"},
        stamps=stamps,
        sequences=np.arange(STEPS),
        states={"ee_position": np.zeros((STEPS, 3))},
        images={"base": images, "wrist": images[:, ::-1].copy()},
        actions=np.zeros((STEPS, 6)),
        action_space="ee_delta_pose",
        action_gripper=np.zeros(STEPS),
        intended_actions=None,
        intended_gripper=None,
        sources=["policy"] * STEPS,
        stages=stages,
        stage_names=NAMES,
        progress=potentials,
        potentials=potentials,
        costs=None,
        shaped_rewards=None,
        stage_observations=[],
        stage_events=events,
        outcomes=np.arange(STEPS) >= 35,
    )


def synthetic_result(directory: Path) -> EpisodeResult:
    stages = [{"name": name, "entered_step": k, "entered_s": 0.05 * k, "duration_s": 0.5} for k, name in enumerate(NAMES)]
    return EpisodeResult(
        index=0,
        seed=50_000,
        episode_id="20250101T120000_PushCube_abcd",
        directory=str(directory),
        environment_success=True,
        environment_success_once=True,
        monitor_success=True,
        steps=STEPS,
        ended_by="success",
        stages=stages,
        trace_sha256="ab" * 32,
        round_trip_ms={"median": 3.25, "p99": 7.5},
        error="",
    )


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    root = tmp_path_factory.mktemp("session")
    directory = root / "episodes" / "20250101T120000_PushCube_abcd"
    directory.mkdir(parents=True)
    return view_episode(synthetic_result(directory), synthetic_episode(directory), root / "reports" / "demo")


@pytest.fixture(scope="module")
def page(view):
    figures = summarise("PushCube", [synthetic_result(Path("."))]) | {
        "trace_sha256": "ab" * 32,
        "seeds": [50_000, 50_000],
        "policy": "pushcube",
        "wall_seconds": 12.0,
    }
    return render_page(figures, [view], {"arm": 4711, "policy_server": 4712})


def test_page_is_well_formed_and_needs_no_other_file(page):
    class Balance(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag, attributes):
            if tag not in ("meta", "br", "link", "img"):
                self.open.append(tag)

        def handle_startendtag(self, tag, attributes):
            pass

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    sources = re.findall(r'(?:src|href)="([^"]{5})', page)
    assert set(sources) == {"data:", "../.."}  # the video inside, the log beside


def test_page_names_success_stages_processes_latency_and_trace(page):
    for text in ("100 %", "reach", "4711", "policy_server", "ab" * 32):
        assert text in page


def test_log_is_linked_relative_to_the_page(view):
    assert view.link == "../../episodes/20250101T120000_PushCube_abcd"


def test_text_of_the_log_cannot_become_markup(page):
    assert "&lt;&amp;&gt;" in page and "<&>" not in page


def test_spans_cover_the_episode_without_gap():
    times = 0.05 * np.arange(6)
    spans = stage_spans(times, np.array([0, 0, 1, 1, 1, 0], dtype=np.uint8))  # also back again: a regression is shown
    assert [span.stage for span in spans] == [0, 1, 0]
    assert [span.start for span in spans] == pytest.approx([0.0, 0.10, 0.25])
    assert [span.end for span in spans] == pytest.approx([0.10, 0.25, 0.30])


def test_curve_is_broken_where_the_potential_is_absent(view):
    path = re.search(r'class="curve" d="([^"]*)"', episode_chart(view)).group(1)
    assert path.count("M") == 2
    assert "nan" not in path


def test_an_episode_without_a_log_still_has_its_line(tmp_path):
    view = view_episode(synthetic_result(tmp_path), None, tmp_path)
    assert view.video == b"" and view.spans == []
    assert "No stages were recorded" in episode_chart(view)


def test_video_holds_every_frame_with_the_cameras_side_by_side(view):
    import av

    with av.open(io.BytesIO(view.video)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert float(container.streams.video[0].average_rate) == pytest.approx(20.0)
    assert len(frames) == STEPS
    assert frames[0].shape == (256, 512, 3)
    assert frames[-1][120, 200, 0] > 150 > frames[0][120, 200, 0]  # the red block came along, 2 pixels a step


def test_odd_sizes_are_made_even():
    assert shown_size(301, 77) == (256, 66)
    assert encode_video([np.zeros((3, 301, 77, 3), np.uint8)], 10.0)[0]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_video_plays_in_a_browser(page, tmp_path):
    probe = (
        "<script>const video=document.querySelector('video');"
        "video.addEventListener('timeupdate',()=>{if(video.currentTime>0.2)document.body.dataset.played=video.videoWidth+'x'+video.videoHeight});"
        "video.addEventListener('error',()=>{document.body.dataset.played='error '+video.error.message});video.play();</script>"
    )
    (tmp_path / "page.html").write_text(page.replace("</body>", probe + "</body>"))
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--autoplay-policy=no-user-gesture-required", "--virtual-time-budget=10000", "--dump-dom", str(tmp_path / "page.html")]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert 'data-played="512x256"' in shown
