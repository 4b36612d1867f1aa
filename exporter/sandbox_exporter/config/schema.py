"""What a vendor's accounts may say in a configuration, beside the keys that all accounts have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from sandbox_exporter.config import checks
from sandbox_exporter.config.model import Account
from sandbox_exporter.config.section import Check

T = TypeVar("T")
_TEMPLATE_ID = checks.text(256)


@dataclass(frozen=True, slots=True)
class Key(Generic[T]):
    """One key that only some vendors' accounts have; its value goes to `Account.options`."""

    name: str
    check: Check[T]
    """Makes the value; what its message allows stands in the documentation."""
    meaning: str
    """One or two sentences of the documentation."""
    default: T | None = None
    """What holds without the key; None where it must be given."""
    variable: str = ""
    """The environment variable that stands for it, if there is one."""
    identifies: bool = False
    """Whether accounts that differ in it are different ones to the vendor."""

    def of(self, account: Account) -> T:
        """The value for an account."""
        return cast(T, account.options.get(self.name, self.default))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSchema:
    """What an account's `provider` decides about its other keys."""

    name: str
    """As a configuration and the label `provider` write it."""
    title: str
    """As documents write it."""
    base_url: str
    """The vendor's public service."""
    base_url_note: str = ""
    """What the documentation says of base URLs, as the rest of a sentence."""
    base_url_suffixes: tuple[str, ...] = ()
    """Ends of a base URL that stand for the same place as the URL without them."""
    base_url_variable: str
    api_key_variable: str
    """The environment variable that makes an account where there is no file."""
    keys: tuple[Key[Any], ...] = ()
    """Keys that not every vendor's account has."""
    breakdown: bool = False
    """Whether usage comes by template too, so that accounts have `templates`, `max_templates`."""
    template_id: Check[str] = _TEMPLATE_ID
    """What may stand in a list of templates."""

    @property
    def own_keys(self) -> tuple[str, ...]:
        """The names of the keys that not every vendor's account has."""
        names = tuple(key.name for key in self.keys)
        return (*names, "templates", "max_templates") if self.breakdown else names

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables by the key that each stands for."""
        common = {"api_key": self.api_key_variable, "base_url": self.base_url_variable}
        return common | {key.name: key.variable for key in self.keys if key.variable}
