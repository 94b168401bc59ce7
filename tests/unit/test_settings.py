"""Settings: every bad value is refused by name, no secret is ever shown."""

from dataclasses import fields
from pathlib import Path

import pytest

from app.errors import InvalidSetting
from app.settings import GIB, MIB, MOST_INDEXED_TEXT, Settings


def test_defaults() -> None:
    settings = Settings.from_environ({})
    assert (settings.max_file_size, settings.max_request_size, settings.max_files) == (512 * MIB, GIB, 100)
    assert settings.index == "coco_attachment"
    assert settings.data == Path("data")


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1048576", MIB), ("512MiB", 512 * MIB), ("1 gib", GIB), (" 2 KiB ", 2048), ("7B", 7)]
)
def test_sizes(text: str, size: int) -> None:
    assert Settings.from_environ({"DISK_RESERVE": text}).disk_reserve == size


@pytest.mark.parametrize("text", ["", "-1", "1MB", "1.5MiB", "MiB", "1 2", "0x10", "\uff15", "8388608TiB", "9" * 5000])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(InvalidSetting, match="^DISK_RESERVE: .* is (not )?a size "):
        Settings.from_environ({"DISK_RESERVE": text})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_FILE_SIZE", "many"),
        ("MAX_FILE_SIZE", "2GiB"),
        ("MAX_FILES", "0"),
        ("MAX_FILES", "-1"),
        ("MAX_FILES", "²"),
        ("MAX_FILES", "\u0663"),
        ("MAX_FILES", "1_0"),
        ("MAX_FILES", "1000001"),
        ("MAX_FILES", "9" * 5000),
        ("MAX_PAGE_SIZE", "10001"),
        ("MAX_IDS", "65537"),
        ("MAX_PAGE_SIZE", ""),
        ("ELASTICSEARCH_URL", "localhost:9200"),
        ("ELASTICSEARCH_URL", "http://h:9200/?path"),
        ("ELASTICSEARCH_URL", "http://user:word@h:9200"),
        ("ELASTICSEARCH_URL", ""),
        ("ELASTICSEARCH_URL", "http://h:65536"),
        ("ELASTICSEARCH_URL", "http://h:0"),
        ("ELASTICSEARCH_URL", "http://h:port"),
        ("ELASTICSEARCH_URL", "http://[::1"),
        ("ELASTICSEARCH_URL", "http://:9200"),
        ("ELASTICSEARCH_URL", "http://a:9200,"),
        ("ELASTICSEARCH_URL", "http://a:9200,,http://b:9200"),
        ("ELASTICSEARCH_URL", "http://a:9200;http://b:9200"),
        ("ELASTICSEARCH_URL", "http://a:9200 b:9200"),
        ("ELASTICSEARCH_URL", "http://a:9200,https://b:9200"),
        ("ELASTICSEARCH_URL", "http://a,http://A:80/"),
        ("ELASTICSEARCH_URL", "http://a:9200,http://user:word@b:9200"),
        ("ELASTICSEARCH_URL", ",".join(f"http://h{number}" for number in range(101))),
        ("INDEX_SHARDS", "0"),
        ("INDEX_SHARDS", "1025"),
        ("INDEX_REPLICAS", ""),
        ("INDEX_REPLICAS", "-1"),
        ("INDEX_REPLICAS", "101"),
        ("INDEX_REPLICAS", "0-1"),
        ("INDEX_REPLICAS", "\u0663"),
        ("ELASTICSEARCH_API_KEY", "of a file\n"),
        ("ELASTICSEARCH_API_KEY", "schl\u00fcssel"),
        ("DATA", ""),
        ("ELASTICSEARCH_TIMEOUT", "0"),
        ("ELASTICSEARCH_TIMEOUT", "nan"),
        ("ELASTICSEARCH_TIMEOUT", "inf"),
        ("ELASTICSEARCH_TIMEOUT", "86400"),
        ("ELASTICSEARCH_TIMEOUT", "1_0"),
        ("ELASTICSEARCH_TIMEOUT", "1e3"),
        ("ELASTICSEARCH_TIMEOUT", "\uff15"),
        ("INDEX", "Upper"),
        ("INDEX", "-x"),
        ("INDEX", "a,b"),
        ("INDEX", "a*"),
        ("INDEX", "a" * 101),
        ("EXTRACTION", "maybe"),
        ("WEB_WORKERS", "0"),
        ("WEB_WORKERS", "many"),
        ("WEB_WORKERS", "257"),
        ("WEB_THREADS", "0"),
        ("WEB_THREADS", "1025"),
        ("EXTRACTION_WORKERS", "257"),
        ("THUMBNAILS", "yes"),
        ("THUMBNAIL_WORKERS", "0"),
        ("THUMBNAIL_WORKERS", "257"),
        ("EXTRACTION_MEMORY", "134217727"),
        ("MAX_HEAD_SIZE", "4095"),
        ("GIT_MEMORY", "67108863"),
        ("CONFINEMENT", "off"),
        ("MAX_ANSWER_SIZE", "1023KiB"),
        ("CHAT_INDEX", "coco_attachment"),
        ("MAX_INDEXED_TEXT", "0"),
        ("MAX_INDEXED_TEXT", str(MOST_INDEXED_TEXT + 1)),
        ("STORAGE", ""),
        ("STORAGE", "s3:"),
        ("STORAGE", "s3://"),
        ("STORAGE", "s3:///prefix"),
        ("STORAGE", "s3://B/prefix"),
        ("STORAGE", "s3://ab/prefix"),
        ("STORAGE", "s3://bucket/../other"),
        ("STORAGE", "s3://bucket/a//b"),
        ("STORAGE", "s3://bucket/./b"),
        ("STORAGE", "s3://bucket/a b"),
        ("STORAGE", "s3://bucket/\u00e4"),
        ("STORAGE", "s3://bucket/a\n"),
        ("STORAGE", "s3://bucket/%2e%2e"),
        ("STORAGE", "s3://bucket/p?region=x"),
        ("STORAGE", "s3://key:secret@bucket/p"),
        ("STORAGE", "S3://bucket"),
        ("STORAGE", "file:///etc"),
        ("STORAGE", "http://bucket/p"),
        ("STORAGE", "az://account"),
        ("STORAGE", "folder/"),
        ("STORAGE_ENDPOINT", "s3.example.org"),
        ("STORAGE_ENDPOINT", "ftp://s3.example.org"),
        ("STORAGE_ENDPOINT", "https://s3.example.org/path"),
        ("STORAGE_ENDPOINT", "https://s3.example.org?x"),
        ("STORAGE_ENDPOINT", "https://key:secret@s3.example.org"),
        ("STORAGE_ENDPOINT", "https://s3.example.org:0"),
        ("STORAGE_REGION", ""),
        ("STORAGE_REGION", "eu central"),
        ("STORAGE_REGION", "eu\ncentral"),
        ("STORAGE_ADDRESSING", "host"),
        ("STORAGE_ACCESS_KEY", "a b"),
        ("STORAGE_ACCESS_KEY", "alone"),
        ("STORAGE_SECRET_KEY", "schl\u00fcssel"),
        ("STORAGE_TIMEOUT", "0"),
        ("STORAGE_TIMEOUT", "86400"),
        ("API_TOKEN", "two words"),
        ("API_TOKEN", "schlüssel"),
    ],
)
def test_a_bad_value_names_its_setting(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        Settings.from_environ({name: value})
    assert str(caught.value).startswith(f"{name}: ")


@pytest.mark.parametrize(
    "environ",
    [
        {"ELASTICSEARCH_USERNAME": "u"},
        {"ELASTICSEARCH_PASSWORD": "p"},
        {"ELASTICSEARCH_API_KEY": "k", "ELASTICSEARCH_USERNAME": "u", "ELASTICSEARCH_PASSWORD": "p"},
        {"ELASTICSEARCH_USERNAME": "u:v", "ELASTICSEARCH_PASSWORD": "p"},
        {"ELASTICSEARCH_USERNAME": "u", "ELASTICSEARCH_PASSWORD": "p\n"},
        {"INDEX": "same", "CHAT_INDEX": "same"},
        {"STORAGE_SECRET_KEY": "alone"},
        {"STORAGE": "gs://bucket", "STORAGE_ENDPOINT": "https://s3.example.org"},
        {"STORAGE": "az://account/container", "STORAGE_ACCESS_KEY": "k", "STORAGE_SECRET_KEY": "s"},
        {"STORAGE": "s3://bucket", "ACCEL_REDIRECT": "/_attachments/"},
        {"STORAGE": "s3://bucket", "MAX_FILE_SIZE": "49GiB", "MAX_REQUEST_SIZE": "49GiB"},
        {"STORAGE": "s3://bucket", "STORAGE_CA_CERTS": "/no/such/file"},
        {"STORAGE": "s3://bucket", "STORAGE_CA_CERTS": __file__, "STORAGE_ENDPOINT": "http://h"},
    ],
)
def test_what_does_not_go_together(environ: dict[str, str]) -> None:
    with pytest.raises(InvalidSetting):
        Settings.from_environ(environ)


@pytest.mark.parametrize(
    ("name", "value", "field", "found"),
    [
        ("MAX_FILES", "1000000", "max_files", 1_000_000),
        ("MAX_FILES", " 7 ", "max_files", 7),
        ("MAX_PAGE_SIZE", "10000", "max_page_size", 10_000),
        ("MAX_IDS", "65536", "max_ids", 65_536),
        ("WEB_WORKERS", "256", "web_workers", 256),
        ("WEB_THREADS", "1024", "web_threads", 1024),
        ("EXTRACTION_MEMORY", "128MiB", "extraction_memory", 128 * MIB),
        ("GIT_MEMORY", "64MiB", "git_memory", 64 * MIB),
        ("CONFINEMENT", "required", "confinement", "required"),
        ("MAX_HEAD_SIZE", "4KiB", "max_head_size", 4096),
        ("MAX_ANSWER_SIZE", "1MiB", "max_answer_size", 1024**2),
        ("DISK_RESERVE", "9223372036854775807", "disk_reserve", 2**63 - 1),
        ("HEAD_TIMEOUT", " 0.25 ", "head_timeout", 0.25),
        ("STORAGE", "s3://bucket", "storage", "s3://bucket"),
        ("STORAGE", "s3://a.bucket-1/a/B_c.d/", "storage", "s3://a.bucket-1/a/B_c.d"),
        ("STORAGE", "gs://bucket/p", "storage", "gs://bucket/p"),
        ("STORAGE", "az://account/container/p", "storage", "az://account/container/p"),
        ("STORAGE_ENDPOINT", "http://127.0.0.1:7070/", "storage_endpoint", "http://127.0.0.1:7070"),
        ("STORAGE_ENDPOINT", "", "storage_endpoint", None),
        ("ELASTICSEARCH_URL", "http://[::1]:65535/es/", "elasticsearch_url", "http://[::1]:65535/es"),
        ("ELASTICSEARCH_URL", "http://a", "elasticsearch_urls", ("http://a",)),
        (
            "ELASTICSEARCH_URL",
            "http://a , http://a:81/es/\thttp://b",
            "elasticsearch_url",
            "http://a,http://a:81/es,http://b",
        ),
        ("ELASTICSEARCH_URL", " https://a\nhttps://b ", "elasticsearch_urls", ("https://a", "https://b")),
        ("INDEX_SHARDS", "1024", "index_shards", 1024),
        ("INDEX_REPLICAS", " 02 ", "index_replicas", "2"),
        ("INDEX_REPLICAS", "0", "index_replicas", "0"),
        ("INDEX_REPLICAS", "auto", "index_replicas", "auto"),
    ],
)
def test_at_its_limit(name: str, value: str, field: str, found: object) -> None:
    assert getattr(Settings.from_environ({name: value}), field) == found


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("http://a,http://a:80", "names http://a:80 twice"),
        ("http://a,https://b", "has addresses with http and with https: all need the same"),
        ("http://a b", "is not a URL such as http://127.0.0.1:9200"),
    ],
)
def test_why_a_list_is_refused(value: str, why: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^ELASTICSEARCH_URL: '{value}' {why}$"):
        Settings.from_environ({"ELASTICSEARCH_URL": value})


def test_as_much_text_as_can_be_indexed() -> None:
    assert Settings.from_environ({"MAX_INDEXED_TEXT": str(MOST_INDEXED_TEXT)}).max_indexed_text == MOST_INDEXED_TEXT


def test_file_and_request_may_be_equal() -> None:
    assert Settings.from_environ({"MAX_FILE_SIZE": "10", "MAX_REQUEST_SIZE": "10"}).max_file_size == 10


def test_secrets_are_in_no_text() -> None:
    environ = {"API_TOKEN": "hunter2a", "ELASTICSEARCH_USERNAME": "u", "ELASTICSEARCH_PASSWORD": "hunter2b"}
    settings = Settings.from_environ(environ)
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in repr(Settings(elasticsearch_api_key="hunter2c"))
    with pytest.raises(InvalidSetting) as caught:
        Settings.from_environ({"API_TOKEN": "hunter2 hunter2"})
    assert "hunter2" not in str(caught.value)


def test_every_setting_has_a_name_and_a_reason() -> None:
    names = [item.metadata["name"] for item in fields(Settings)]
    assert len(set(names)) == len(names)
    assert all(item.metadata["why"].endswith(".") for item in fields(Settings))
