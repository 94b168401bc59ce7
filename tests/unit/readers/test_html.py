"""What a person sees on a page, and nothing else."""

from __future__ import annotations

import pytest

from app.extraction.readers.html import read, text_of

PICTURE = "data:image/png;base64," + "iVBORw0KGgo/" * 200


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("bare<div>one</div><div>two</div>three<p>four", "bare\none\ntwo\nthree\nfour"),
        ("one<br>two<hr>three<br/>four", "one\ntwo\nthree\nfour"),
        ("<table><tr><td>lamp<td>table<tr><th>chair</table>", "lamp\ttable\nchair"),
        ("<b>bo</b>ld, <i>x</i><sub>2</sub>, hy&shy;phen, long<wbr>word", "bold, x2, hyphen, longword"),
        ("caf&eacute; &#8364;&nbsp;5 &#x41;&amp;B &lt;tag&gt; &unknown;", "café € 5 A&B <tag> &unknown;"),
        ("<title>head</title><meta name='Description' content='what'><meta name=viewport content=no>", "head\nwhat"),
        ("<form>in<p>form</p><label>Name</label><input value=Ada><input type=hidden value=no>", "in\nform\nName Ada"),
        ("<input placeholder=hint><input type=submit value=Send><button>Go</button>", "hint Send\nGo"),
        ("<select><option>red<option label=green></select><optgroup label=blue>", "red\ngreen\nblue"),
        ("a<textarea>some\n<b>text</b> &amp; more</textarea>b", "a\nsome\ntext & more\nb"),
        ("<img alt=tree title=Tree>, <a title=Berlin>Berlin</a><p><b title=World>W</b>", "tree , Berlin\nW\nWorld"),
        ("re<b title=no>cei</b>pt", "receipt\nno"),
        ("<details><summary>more</summary>in</details><dl><dt>t<dd>d</dl><footer>foot</footer>", "more\nin\nt\nd\nfoot"),
        ("<figure><figcaption>below</figcaption></figure><p hidden>later</p>", "below\nlater"),
        ("<svg><title>pic</title><text>a<tspan>b</tspan></text><text>c</text></svg>", "pic\nab\nc"),
        ("<iframe srcdoc='<p>in&lt;i&gt;ner</p>'></iframe>after<noscript>a<p>b</noscript>", "inner\nafter\na\nb"),
        ("<frameset><frame title=menu><noframes>none</noframes></frameset>", "menu\nnone"),
        ("a<script>x='<p>no</p>'</script><style>no{}</style><!-- no --><template>no<p>no</template>b", "ab"),
        (f"before<img src='{PICTURE}'>after<p style='background:url({PICTURE})'>below", "beforeafter\nbelow"),
        ("<pre>one\n  two</pre>", "one\ntwo"),
        ("<my-card>one</my-card><my-card>two</my-card><o:p>&nbsp;</o:p>", "one\ntwo"),
        ("<P>UP<BR>PER", "UP\nPER"),
        ("<p>unclosed <b", "unclosed"),
        ("", ""),
    ],
)  # fmt: skip
def test_text_of(markup: str, text: str) -> None:
    assert text_of(markup) == text


def test_xhtml_has_elements_without_content() -> None:
    markup = '<?xml version="1.0"?><html><head><title/><script src="x"/></head><p>a<![CDATA[ x < y & z]]></p></html>'
    assert text_of(markup) == "a x < y & z"


def test_a_page_in_another_encoding() -> None:
    assert list(read("<p>Größe</p>".encode("utf-16"), "text/html")) == ["Größe"]
