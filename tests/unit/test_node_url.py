"""Where the commands find the node that scripts/serve has started: only while it is at it, and only for that folder."""

import contextlib
import shutil
from pathlib import Path

from app.coordination.local.data_folder import node_url, reaching, telling_node_url
from app.settings import Settings

URL = "http://127.0.0.1:4711"


def test_it_is_told_within_and_to_several_at_once(tmp_path: Path) -> None:
    (tmp_path / "elasticsearch").mkdir()
    assert node_url(tmp_path) is None
    with telling_node_url(tmp_path, URL):
        assert [node_url(tmp_path), node_url(tmp_path)] == [URL, URL]
    assert node_url(tmp_path) is None
    # A signal ends it with an exception.
    with contextlib.suppress(SystemExit), telling_node_url(tmp_path, URL):
        raise SystemExit
    assert list((tmp_path / "elasticsearch").iterdir()) == []


def test_a_copy_of_the_folder_has_no_node(tmp_path: Path) -> None:
    """The original's node has the original's index: a command on a copy must not get there."""
    (tmp_path / "store" / "elasticsearch").mkdir(parents=True)
    with telling_node_url(tmp_path / "store", URL):
        shutil.copytree(tmp_path / "store", tmp_path / "copy")
        assert node_url(tmp_path / "copy") is None


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    """It has the login to the node in it. Also where an older version left the file, which others could read."""
    (tmp_path / "elasticsearch").mkdir()
    path = tmp_path / "elasticsearch" / "url"
    path.touch()
    path.chmod(0o644)
    with telling_node_url(tmp_path, URL):
        assert path.stat().st_mode & 0o777 == 0o600


def test_the_login_takes_the_place_of_another_elasticsearchs() -> None:
    for given in (
        {},
        {"ELASTICSEARCH_API_KEY": "b3RoZXI="},
        {"ELASTICSEARCH_USERNAME": "other", "ELASTICSEARCH_PASSWORD": "other"},
    ):
        settings = Settings.from_environ(reaching("http://store:se-c%20ret@127.0.0.1:4711", given))
        assert settings.elasticsearch_url == "http://127.0.0.1:4711"
        assert (settings.elasticsearch_username, settings.elasticsearch_password) == ("store", "se-c ret")
        assert settings.elasticsearch_api_key is None


def test_a_url_without_a_login_leaves_that_of_the_environment() -> None:
    given = {"ELASTICSEARCH_API_KEY": "b3RoZXI=", "INDEX": "files"}
    assert reaching("https://search.example/es", given) == {**given, "ELASTICSEARCH_URL": "https://search.example/es"}


def test_several_addresses_are_passed_on_as_they_are() -> None:
    for url in ("http://a:1,http://b:2/es", "https://[::1]:1,https://[::2]", "http://a http://b"):
        assert reaching(url, {"INDEX": "files"}) == {"INDEX": "files", "ELASTICSEARCH_URL": url}
