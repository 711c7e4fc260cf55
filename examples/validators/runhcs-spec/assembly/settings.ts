import { Field } from "./field";
import { Value } from "./json";
import { quote } from "./report";
import { traitNames } from "./traits";

// Traits says which traits deny, and which only warn.
export class Traits {
  constructor(private settings: Value) {}

  forbids(name: string): bool {
    return this.has("forbid", name);
  }

  warnsOf(name: string): bool {
    return this.has("warn", name);
  }

  private has(list: string, name: string): bool {
    const names = this.settings.get(list).items;
    for (let i = 0; i < names.length; i++) {
      if (names[i].text == name) return true;
    }
    return false;
  }
}

// checkSettings finds names of traits that there are not.
export function checkSettings(settings: Field): void {
  const lists = ["forbid", "warn"];
  for (let i = 0; i < lists.length; i++) {
    const names = new Field(settings.report, lists[i], settings.key(lists[i]).value).list();
    for (let j = 0; j < names.length; j++) {
      const name = names[j].text();
      if (!traitNames.includes(name)) {
        names[j].violation("settings.trait", "there is no trait " + quote(name), "write one of " + traitNames.join(", "));
      }
    }
  }
}
