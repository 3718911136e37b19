# SPDX-License-Identifier: Apache-2.0
"""Kind: what one kind adds to its schema. Every rule is optional; a kind without a file has none.

All functions are pure and work on objects in the kind's storage version, already defaulted from
the schema. Rules that hold for every kind (metadata validation, generation, dropping or keeping
status) live in the API server's generic strategy and are not repeated here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.table import Column
from pybernetes.apimachinery.types import Object, User


@dataclass(frozen=True, slots=True)
class Kind:
    """The rules of one kind, in the order in which a write applies them.

    default: fill in fields upstream fills in by code; in place, and applying it twice changes
      nothing more.
    prepare_create, prepare_update(new, old): upstream's strategy PrepareFor*: clear or keep fields
      that this request may not set; in place on `new`. Generic: on create status is dropped where
      the kind has a status subresource and generation is 1; on update the old status is kept and
      generation grows when anything outside metadata and status differs.
    validate_create, validate_update(new, old): the findings, in upstream's paths and words.
    prepare_status_update, validate_status_update(new, old): for the status subresource; generic:
      everything but status and a few metadata fields is taken from `old`.
    fields: selectable fields beyond metadata.name and metadata.namespace.
    columns: for Table output; empty means Name and Age.
    graceful(obj, requested): the grace period in seconds of a delete; None: deleted at once.
    held: something besides metadata.finalizers keeps an object that is being deleted.
    begin_deletion: what else changes when a deletion begins; in place.
    create_on_update: upstream's AllowCreateOnUpdate: PUT of a missing object creates it.
    unconditional_update: PUT without resourceVersion is allowed.
    requestor: writes who creates the object into it, over whatever the request claims.
    status_on_create: a create may bring its status (nodes); generic dropping does not apply.
    generation: it has metadata.generation (upstream: where its strategy sets it).
    grows: fields of metadata that are a new generation, too.
    answers_deleted: a delete is answered with the object that is gone, not with a Status.
    stored_under: below /registry/, where not its plural.
    """

    default: Callable[[Object], None] = lambda _: None
    prepare_create: Callable[[Object], None] = lambda _: None
    prepare_update: Callable[[Object, Object], None] = lambda new, old: None
    validate_create: Callable[[Object], Errors] = lambda _: []
    validate_update: Callable[[Object, Object], Errors] = lambda new, old: []
    prepare_status_update: Callable[[Object, Object], None] = lambda new, old: None
    validate_status_update: Callable[[Object, Object], Errors] = lambda new, old: []
    fields: Callable[[Object], dict[str, str]] = lambda _: {}
    field_names: tuple[str, ...] = ()  # the keys that `fields` returns
    field_aliases: Mapping[str, str] = field(default_factory=dict)  # served name -> stored name
    columns: tuple[Column, ...] = ()
    graceful: Callable[[Object, int | None], int] | None = None
    held: Callable[[Object], bool] = lambda _: False
    begin_deletion: Callable[[Object], None] = lambda _: None
    create_on_update: bool = False
    unconditional_update: bool = True
    requestor: Callable[[Object, User], None] | None = None
    status_on_create: bool = False
    generation: bool = True
    grows: tuple[str, ...] = ()
    answers_deleted: bool = False
    stored_under: str = ""
    validate_name: Callable[[str], list[str]] | None = None  # None: DNS-1123 subdomain
    conversions: Mapping[str, tuple[Callable[[Object], Object], Callable[[Object], Object]]] = (
        field(default_factory=dict)
    )  # served version -> (to storage version, from storage version); others only rename apiVersion


NO_RULES = Kind()
