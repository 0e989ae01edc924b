"""What tasks write is followed, found, copied and saved in the page, and never obeyed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright import sync_api

from ..contrast import FAINT
from ..cutting import cut_wire
from ..program import Program, running
from .tab import BROWSERS, TASK, Visit

pytestmark = pytest.mark.needs(*BROWSERS)

LINES = ".detail .log .ln"


class Writer:
    """A task that writes what it is told, open in a page."""

    def __init__(self, page: sync_api.Page, program: Program, name: str) -> None:
        self.page = page
        self.log = page.locator(".detail .log")
        self.lines = page.locator(LINES)
        self._program = program
        self.name = name

    def write(self, text: str, stream: str = "stdout") -> None:
        self._program.tell(f"writes {self.name} {stream} {json.dumps(text)}")

    def tell(self, verb: str, rest: object = "") -> None:
        self._program.tell(f"{verb} {self.name} {rest}".rstrip())

    def open(self) -> None:
        self.page.locator(TASK, has_text=f"Writer {self.name}").click()
        self.log.scroll_into_view_if_needed()

    def button(self, name: str) -> sync_api.Locator:
        return self.page.locator(".detail .output").get_by_role("button", name=name)


@pytest.fixture
def writer(visit: Visit, program: Program, request: pytest.FixtureRequest) -> Iterator[Writer]:
    writer = Writer(visit.page, program, request.node.name.replace("[", "-").rstrip("]"))
    yield writer
    writer.tell("ends")


def test_lines_are_shown_as_they_are_written(writer: Writer) -> None:
    writer.write("first\nsec")
    writer.open()
    sync_api.expect(writer.lines).to_have_text(["first", "sec"])
    writer.write("ond\n")
    writer.write("it went wrong\n", "stderr")

    sync_api.expect(writer.lines).to_have_text(["first", "second", "it went wrong", ""])
    sync_api.expect(writer.lines.nth(2)).to_have_class("ln err")
    sync_api.expect(writer.lines.nth(1)).to_have_class("ln")
    writer.tell("ends")
    sync_api.expect(writer.page.locator(".detail .edge")).to_contain_text("ended")


def test_colours_are_shown_and_all_else_is_never_obeyed(writer: Writer) -> None:
    writer.write("\x1b[1;31mred\x1b[0m \x1b[38;5;2mgreen\x1b[m \x1b[48;2;0;0;255mblue\x1b[0m\n")
    writer.write("<b>bold</b> \x1b]0;owned\x07\x1b[2J\x1b[Hup\u202e\x9b1A\x00\n<script>alert(1)</script>\n")
    writer.write("half an \x1b[3")
    writer.write("2mescape\x1b[0m\n")
    writer.open()

    nasty = "<b>bold</b> up\ufffd"
    sync_api.expect(writer.lines).to_have_text(
        ["red green blue", nasty, "<script>alert(1)</script>", "half an escape", ""]
    )
    sync_api.expect(writer.lines.nth(0).locator("span.f1.bold")).to_have_text("red")
    sync_api.expect(writer.lines.nth(0).locator("span.f2")).to_have_text("green")
    sync_api.expect(writer.lines.nth(0).locator("span.b12")).to_have_text("blue")
    sync_api.expect(writer.lines.nth(3).locator("span.f2")).to_have_text("escape")
    assert writer.page.locator(".log b, .log script").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_can_be_read(writer: Writer, scheme: Literal["light", "dark"]) -> None:
    page = writer.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    codes = [*range(30, 38), *range(90, 98), *range(40, 48), *range(100, 108), 1, 2, 3, 4, 7, 9]
    writer.write(
        "".join(f"\x1b[{code}mcolour {code}\x1b[0m\n" for code in codes) + "\x1b[31;7minverse\x1b[0m\n"
    )
    writer.write("wrong\n\x1b[32mgreen\x1b[0m", "stderr")
    writer.open()
    sync_api.expect(writer.lines.last).to_have_text("green")
    faint = page.evaluate(FAINT)
    page.get_by_label("Find in the output").fill("colour")
    page.keyboard.press("Enter")
    writer.page.locator("mark.current").wait_for()

    assert faint + page.evaluate(FAINT) == []


def test_a_carriage_return_overwrites_its_line(writer: Writer) -> None:
    writer.write("10 %\r50 %\r")
    writer.open()
    sync_api.expect(writer.lines).to_have_text(["50 %"])
    writer.write("100")
    sync_api.expect(writer.lines).to_have_text(["100%"])
    writer.write("\rok\x1b[K\r\nnext")
    sync_api.expect(writer.lines).to_have_text(["ok", "next"])


def test_it_is_searched_with_keys_and_with_the_mouse(writer: Writer) -> None:
    writer.write("".join(f"line {number} is {'odd' if number % 2 else 'even'}\n" for number in range(1_000)))
    writer.open()
    find = writer.page.get_by_label("Find in the output")
    found, current = writer.page.locator(".found"), writer.page.locator("mark.current")
    find.fill("IS ODD")
    sync_api.expect(found).to_have_text("500")
    writer.page.keyboard.press("Shift+Enter")
    sync_api.expect(found).to_have_text("500 of 500")
    sync_api.expect(writer.lines.filter(has=current)).to_have_text("line 999 is odd")
    writer.button("Next match").click()
    sync_api.expect(found).to_have_text("1 of 500")
    sync_api.expect(writer.lines.filter(has=current)).to_have_text("line 1 is odd")
    sync_api.expect(current).to_be_in_viewport()
    writer.button("Previous match").click()
    sync_api.expect(found).to_have_text("500 of 500")
    find.press("Escape")
    sync_api.expect(writer.page.locator("mark")).to_have_count(0)
    sync_api.expect(find).to_be_focused()


def test_it_follows_until_one_reads_further_up(writer: Writer) -> None:
    writer.write("".join(f"line {number}\n" for number in range(500)))
    writer.open()
    sync_api.expect(writer.page.get_by_text("line 499", exact=True)).to_be_in_viewport()
    writer.log.hover()
    writer.page.mouse.wheel(0, -2_000)
    sync_api.expect(writer.button("Follow")).to_have_attribute("aria-pressed", "false")
    writer.write("".join(f"more {number}\n" for number in range(500)))
    sync_api.expect(writer.button("more line")).to_be_visible()
    sync_api.expect(writer.page.get_by_text("more 499", exact=True)).not_to_be_in_viewport()
    writer.button("more line").click()

    sync_api.expect(writer.page.get_by_text("more 499", exact=True)).to_be_in_viewport()
    sync_api.expect(writer.button("Follow")).to_have_attribute("aria-pressed", "true")
    writer.log.focus()
    writer.page.keyboard.press("Home")
    sync_api.expect(writer.button("Follow")).to_have_attribute("aria-pressed", "false")
    writer.page.keyboard.press("End")
    sync_api.expect(writer.button("Follow")).to_have_attribute("aria-pressed", "true")


def test_earlier_lines_are_loaded_when_one_asks_for_them(writer: Writer) -> None:
    writer.write("".join(f"line {number:05} é\n" for number in range(8_000)))
    writer.open()
    sync_api.expect(writer.page.get_by_text("line 07999")).to_be_visible()
    edge = writer.page.locator(".detail .edge")
    sync_api.expect(edge).to_contain_text("before this")
    writer.button("Load earlier").click()
    sync_api.expect(edge).to_contain_text("from the beginning")
    sync_api.expect(writer.button("Load earlier")).to_be_hidden()
    sync_api.expect(writer.lines.first).to_have_text("line 00000 é")
    numbers = writer.page.evaluate("() => [...document.querySelectorAll('.ln')].map((one) => one.innerText)")
    assert numbers == [f"line {number:05} é" for number in range(len(numbers))]


def test_it_is_wrapped_copied_and_saved(writer: Writer, tmp_path: Path) -> None:
    page = writer.page
    text = "wide " * 200 + "\n\x1b[31mred\x1b[0m\n"
    writer.write(text)
    writer.open()
    sync_api.expect(writer.button("Wrap")).to_have_attribute("aria-pressed", "true")
    assert writer.log.evaluate("(log) => log.scrollWidth <= log.clientWidth")
    writer.button("Wrap").click()
    assert writer.log.evaluate("(log) => log.scrollWidth > log.clientWidth")

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    writer.button("Copy").focus()
    page.keyboard.press("Enter")
    sync_api.expect(page.locator(".toast")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "wide " * 200 + "\nred\n"

    with page.expect_download() as downloading:
        writer.button("Download").click()
    downloading.value.save_as(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == text.encode()
    assert downloading.value.suggested_filename.endswith(".log")


def test_what_is_no_longer_kept_is_said(writer: Writer) -> None:
    writer.write("the beginning\n")
    writer.write(f"{'x' * 999}\n" * 1_000)
    writer.open()
    edge = writer.page.locator(".detail .edge")
    sync_api.expect(edge).to_contain_text("before this")
    while "before this" in (told := edge.locator(".about").inner_text()):
        writer.button("Load earlier").click()
        sync_api.expect(edge.locator(".about")).not_to_have_text(told)

    sync_api.expect(writer.lines.first).to_have_text("the beginning")
    writer.page.get_by_label("Find in the output").fill("dropped")
    sync_api.expect(writer.page.locator(".found")).to_have_text("1")
    writer.page.keyboard.press("Enter")
    sync_api.expect(writer.page.locator(".ln.note").first).to_contain_text("kB dropped")


def test_a_flood_holds_up_nobody(writer: Writer) -> None:
    writer.write("begin\n")
    writer.open()
    writer.tell("floods", 200_000)
    writer.write("end")

    sync_api.expect(writer.lines.last).to_have_text("end")
    assert writer.lines.count() < 2_000
    sync_api.expect(writer.page.locator(".detail .edge")).to_contain_text("in the download")
    writer.log.focus()
    for _ in range(20):
        writer.page.keyboard.press("Home")
        assert writer.lines.count() < 2_000


def test_it_goes_on_after_every_cut(browser: sync_api.Browser, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with running("asyncio", tmp_path, env={"SCENARIO_DATA": str(tmp_path / "data")}) as program:
        parts = urlsplit(program.page_url)
        with cut_wire(("127.0.0.1", parts.port or 0), after=400_000) as wire:
            context = browser.new_context(viewport={"width": 1280, "height": 800})
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{wire.port}/#{parts.fragment}")
            writer = Writer(page, program, "cut")
            writer.write("begin\n")
            writer.open()
            for part in range(40):
                writer.write(
                    "".join(f"line {number} {'x' * 90}\n" for number in range(part * 200, part * 200 + 200))
                )
            writer.tell("ends")
            sync_api.expect(page.locator(".detail .edge")).to_contain_text("ended")
            page.context.grant_permissions(["clipboard-read", "clipboard-write"])
            writer.button("Copy").click()
            sync_api.expect(page.locator(".toast")).to_contain_text("Copied")
            copied = page.evaluate("navigator.clipboard.readText()")
            context.close()
            assert wire.cuts >= 1

    assert copied.splitlines() == ["begin", *(f"line {number} {'x' * 90}" for number in range(8_000))]


def test_a_task_without_output_shows_none(visit: Visit) -> None:
    visit.row("Build it all").click()
    sync_api.expect(visit.page.locator(".detail .state")).to_have_text("waiting")

    sync_api.expect(visit.page.locator(".detail .output")).to_be_hidden()


def test_it_fits_on_a_phone(writer: Writer) -> None:
    page = writer.page
    page.set_viewport_size({"width": 360, "height": 740})
    writer.write("word " * 300 + "\n" + "x" * 900)
    writer.open()

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("#detail").evaluate("(panel) => panel.scrollWidth - panel.clientWidth") <= 0
    writer.button("Wrap").click()
    assert page.locator("#detail").evaluate("(panel) => panel.scrollWidth - panel.clientWidth") <= 0
