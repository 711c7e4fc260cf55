import std/[json, sequtils, strutils]
import report

const traitNames* = [
  "capabilities", "devices", "engine-env", "hooks", "host-files", "host-network", "linux-programs",
]

type Traits* = object
  forbid, warn: seq[string]

## traitsOf reads settings, which the host has checked against their schema.
proc traitsOf*(settings: JsonNode): Traits =
  Traits(forbid: settings{"forbid"}.getElems.mapIt(it.getStr), warn: settings{"warn"}.getElems.mapIt(it.getStr))

## found reports a trait that a container has, if the settings ask for that.
proc found*(traits: Traits, field: Field, trait, msg, fix: string) =
  if trait in traits.forbid: field.violation("forbidden." & trait, msg, fix)
  elif trait in traits.warn: field.warning("forbidden." & trait, msg, fix)

## checkSettings finds names of traits that there are not.
proc checkSettings*(settings: Field) =
  for list in ["forbid", "warn"]:
    for name in settings.key(list):
      if name.text notin traitNames:
        name.violation("settings.trait", "there is no trait " & quote(name.text), "write one of " & traitNames.join(", "))
