"""The words that reports are written in: text is never markup, and both formats say the same."""

from __future__ import annotations

from dwdp_sim.results.html import Section, cell, sorting_heading, verdict_markdown, verdict_page

EVIL = '<b title="x">&|'


def test_text_is_never_markup() -> None:
    section = Section(EVIL, EVIL, [EVIL, "b"], [[EVIL, EVIL]])
    page = verdict_page(EVIL, [EVIL, EVIL], [section], state="agrees")
    pieces = (page, cell(EVIL, EVIL), sorting_heading(EVIL, EVIL))
    assert all("<b " not in text and '="x"' not in text for text in pieces)
    assert page.count("&lt;b title=&quot;x&quot;&gt;&amp;|") == 10  # twice as a heading, once as a table's name


def test_a_section_without_rows_has_no_table() -> None:
    section = Section("h", "t", ["a", "b"])
    assert section.html() == '<h2>h</h2>\n<p class="soft">t</p>'
    assert section.markdown() == "## h\n\nt"


def test_markdown_has_the_table_without_the_figure_and_with_no_broken_cell() -> None:
    section = Section("h", "", ["a", "b"], [["1|2", "3"]], "<svg></svg>")
    assert verdict_markdown("t", ["Passed", "why"], [section]) == (
        "# t\n\n**Passed**\n\n- why\n\n## h\n\n| a | b |\n| --- | --- |\n| 1/2 | 3 |\n"
    )
    assert '<figure tabindex="0" role="img" aria-label="h"><svg></svg></figure>' in section.html()


def test_a_header_of_empty_names_is_not_shown_and_a_long_last_cell_wraps() -> None:
    html = Section("h", "", ["", ""], [["key", "word " * 10]]).html()
    assert "<thead>" not in html
    assert '<td>key</td><td class="long">word' in html
