"""The settings of one platform: from `config.toml` in its home and from the environment; an unknown one is refused."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from meterhall.domain.errors import InvalidInput

Role = Literal["marketplace", "provider", "requester"]
PREFIX = "METERHALL_"
NOT_SETTINGS = {
    "METERHALL_HOME", "METERHALL_LISTENER", "METERHALL_CLIENT", "METERHALL_CLIENTS", "METERHALL_KEY_PASSPHRASE",
}  # fmt: skip
"""Environment names of the launcher, which say which home, and of a requester's engineer, who may sit beside it."""
HTTPS = r"^(https://[^\s/]\S*)?$"
EMBEDDED = "embedded"
ENGINE = rf"^({EMBEDDED}|sc://[^\s/;:]+(:\d{{1,5}})?(/(;\S+)?)?)$"
"""Spark Connect's own form, sc://HOST:PORT, and what may follow, /;use_ssl=true;token=…"""


class BadSetting(InvalidInput):
    code = "bad_setting"
    title = "A setting is unknown or has a value that cannot be used."


class Config(BaseSettings):
    """Every setting there is. The environment (`METERHALL_<NAME>`) wins over `config.toml`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    role: Role = Field(description="What this platform is: marketplace, provider or requester.")
    environment: Literal["regulated", "unregulated"] = Field(
        "regulated", description="Which of the two separate market environments this deployment belongs to."
    )
    name: str = Field("Meterhall", description="The organisation's name as people and other players see it.")
    country: str = Field("BE", pattern="^[A-Z]{2}$", description="ISO 3166 country of the organisation, two letters.")
    b2b_host: str = Field("127.0.0.1", description="Address the B2B listener binds.")
    b2b_port: int = Field(8443, ge=1, le=65535, description="Port the B2B listener binds (HTTPS).")
    b2b_url: str = Field(
        "", pattern=HTTPS, description="Public base URL of the B2B listener; empty: https://localhost:<b2b_port>."
    )
    portal_host: str = Field("127.0.0.1", description="Address the portal listener binds.")
    portal_port: int = Field(8444, ge=1, le=65535, description="Port the portal listener binds (HTTPS).")
    portal_url: str = Field(
        "", pattern=HTTPS, description="Public base URL of the portal; empty: https://localhost:<portal_port>."
    )
    database_url: str = Field(
        "",
        pattern=r"^(postgres(ql)?://\S*)?$",
        description="postgresql://… ; empty: SQLite in the home. `DATABASE_URL` sets it as well.",
    )
    marketplace_url: str = Field(
        "", pattern=HTTPS, description="Base URL of the Market Place's B2B listener, https://… (players only)."
    )
    contact: str = Field("", description="E-mail address other players may write to.")
    language: Literal["en", "fr", "de", "it", "es"] = Field("en", description="Default language of the portal.")
    zone: str = Field("Europe/Brussels", description="IANA zone in which the portal shows times.")
    accent: str = Field(
        "", pattern="^(#[0-9a-fA-F]{6})?$", description="Accent colour of the portal; empty: the role's."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe log line.")
    log_format: Literal["json", "text"] = Field("json", description="One JSON object or one readable line per event.")
    worker_threads: int = Field(4, ge=1, le=64, description="Jobs the worker runs at the same time.")
    worker_poll_ms: int = Field(
        200, ge=10, le=60_000, description="How often an idle worker asks whether anything was committed."
    )
    worker_lease_s: float = Field(
        60.0, gt=0, description="How long the work of a worker that was killed waits before another takes it."
    )
    retry_first_s: float = Field(
        1.0, gt=0, description="Wait before the first retry of a failed message; doubles each time."
    )
    retry_last_s: float = Field(3600.0, gt=0, description="Longest wait between two retries of a message.")
    retry_days: float = Field(
        14.0, ge=0, description="How long a message that fails is tried before it goes to the dead-letter list."
    )
    message_days: int = Field(
        90, ge=30, description="How long messages that were sent or worked off are kept; longer than anybody retries."
    )
    minimum_group: int = Field(
        10, ge=5, le=1_000_000, description="Fewest PODs an aggregate may stand for, 5 at least (provider)."
    )
    largest_share_percent: int = Field(
        50, ge=1, le=90, description="Most that one POD may be of a slot of an aggregate that is shown (provider)."
    )
    drop_folder: str = Field(
        "",
        description="Folder that files of readings are taken from: PT15M/… for quarter-hours, or PROFILE/…; here, or "
        "sftp://host/folder or s3://bucket/folder (provider).",
    )
    engine: str = Field(
        EMBEDDED,
        pattern=ENGINE,
        description="What calculates: embedded, or the address of a Spark Connect server, sc://host:port (provider).",
    )
    engine_lake: str = Field(
        "",
        pattern=r"^([a-z][a-z0-9+.-]*:/\S.*)?$",
        description="URL under which that server sees the folder `lake` of the home; empty: file:// and the same path "
        "(provider).",
    )
    maximum_power_w: int = Field(
        0,
        ge=0,
        le=10**12,
        description="Mean power beyond which a value is set aside, in W, where nothing is known of the connection of "
        "its point; 0: not judged (provider).",
    )
    spike_times: float = Field(
        20,
        ge=0,
        description="A value is a spike where it exceeds so many times what 95 in 100 values of its series in the file "
        "do not exceed; 0: not judged (provider).",
    )
    spike_floor_w: float = Field(
        30_000, ge=0, description="Mean power below which no value is a spike, in W (provider)."
    )
    stuck_hours: float = Field(
        24, ge=0, description="Values that do not change for so many hours are stuck; 0: not judged (provider)."
    )
    stuck_floor_w: float = Field(100, ge=0, description="Mean power below which no value is stuck, in W (provider).")
    delivery_days: int = Field(30, ge=1, description="How long the files of a delivery can be fetched (provider).")
    accepted_assurance: tuple[Literal["requester_stated", "customer_signed", "customer_confirmed"], ...] = Field(
        ("customer_signed", "customer_confirmed"),
        description="Assurance levels of consent evidence this provider accepts (provider).",
    )
    certificate_days: int = Field(365, ge=1, description="How long an integration certificate holds (marketplace).")
    debug_kit: bool = Field(False, description="Serve the component gallery at /kit (development only).")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{name} is no time zone") from None
        return name

    @model_validator(mode="after")
    def _two_ports(self) -> Self:
        if (self.b2b_host, self.b2b_port) == (self.portal_host, self.portal_port):
            raise ValueError("b2b_port and portal_port are the same")
        return self

    @property
    def base_url(self) -> str:
        """Public base URL of the B2B listener, without a trailing slash."""
        return (self.b2b_url or f"https://localhost:{self.b2b_port}").rstrip("/")

    @property
    def portal_base_url(self) -> str:
        """Public base URL of the portal listener, without a trailing slash."""
        return (self.portal_url or f"https://localhost:{self.portal_port}").rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (env_settings, init_settings)


def load_config(home: Path) -> Config:
    """The settings of the platform in `home`. Raises `BadSetting` naming the setting and what is wrong with it."""
    file = home / "config.toml"
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except ValueError as fault:  # TOMLDecodeError and UnicodeDecodeError are
        raise BadSetting(f"{file} cannot be read as TOML: {fault}.") from None
    return make_config(values)


def make_config(values: dict[str, Any]) -> Config:
    """The settings that `values` and the environment make together. Raises `BadSetting`."""
    _refuse_unknown_environment()
    if url := os.environ.get("DATABASE_URL"):
        values = values | {"database_url": url}
    try:
        return Config(**values)
    except SettingsError as fault:
        raise BadSetting(f"The environment: {fault}.") from None
    except ValidationError as fault:
        raise _bad_setting(fault.errors(include_input=False)[0]) from None


def _bad_setting(fault: ErrorDetails) -> BadSetting:
    """What is wrong, without the value: it may be a password."""
    name = str(fault["loc"][0]) if fault["loc"] else ""
    said = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        return BadSetting(_no_setting(name, Config.model_fields), field=f"/{name}")
    if not name:
        return BadSetting(f"Settings: {said}.")
    meaning = str(Config.model_fields[name].description)
    return BadSetting(f"Setting {name}: {said}. It is: {meaning}", field="/" + "/".join(map(str, fault["loc"])))


def _no_setting(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"There is no setting {name}." + (f" Is {near[0]} meant?" if near else "")


def _refuse_unknown_environment() -> None:
    known = {PREFIX + name.upper() for name in Config.model_fields} | NOT_SETTINGS
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known and not name.startswith("METERHALL_TEST_"):
            raise BadSetting(_no_setting(name, known), field=f"/{name}")
