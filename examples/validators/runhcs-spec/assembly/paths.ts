// Paths of Windows, without a look at any file system.

// isAbsolute says whether a path begins at a drive: C:\ or \\?\C:\. Windows takes either
// slash.
export function isAbsolute(path: string): bool {
  const at = path.startsWith("\\\\?\\") ? 4 : 0;
  const letter = path.charCodeAt(at) | 0x20;
  return path.length > at + 2 && letter >= 0x61 && letter <= 0x7a && path.charAt(at + 1) == ":" && isSlash(path.charAt(at + 2));
}

export function isShare(path: string): bool {
  return path.length > 2 && isSlash(path.charAt(0)) && isSlash(path.charAt(1)) && path.charAt(2) != "?" && path.charAt(2) != ".";
}

// isVolume says whether a path is a volume by its GUID: \\?\Volume{…}\, with or without the
// last backslash.
export function isVolume(path: string): bool {
  const prefix = "\\\\?\\Volume{";
  const end = prefix.length + 36;
  return path.startsWith(prefix) && isGUID(path.substring(prefix.length, end)) &&
    (path.substring(end) == "}" || path.substring(end) == "}\\");
}

// isGUID says whether a text is one, in the form that all of Windows takes.
export function isGUID(text: string): bool {
  if (text.length != 36) return false;
  for (let i = 0; i < 36; i++) {
    const c = text.charCodeAt(i);
    const hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    const digit = c >= 0x30 && c <= 0x39 || (c | 0x20) >= 0x61 && (c | 0x20) <= 0x66;
    if (hyphen ? c != 0x2d : !digit) return false;
  }
  return true;
}

// parts are the names in an absolute path as Windows reads it, in lower case: the drive
// first, . and .. followed, spaces and dots at the end of names gone.
export function parts(path: string): string[] {
  const plain = path.startsWith("\\\\?\\") ? path.substring(4) : path;
  const names = plain.toLowerCase().replaceAll("/", "\\").split("\\");
  const out: string[] = [];
  for (let i = 0; i < names.length; i++) {
    const name = names[i];
    if (name == "..") {
      if (out.length > 1) out.pop();
      continue;
    }
    const trimmed = trimEnd(name);
    if (trimmed != "") out.push(trimmed);
  }
  return out;
}

// isWithin says whether the parts of a path are those of another, or below them.
export function isWithin(path: string[], outer: string[]): bool {
  if (path.length < outer.length) return false;
  for (let i = 0; i < outer.length; i++) {
    if (path[i] != outer[i]) return false;
  }
  return true;
}

function isSlash(c: string): bool {
  return c == "\\" || c == "/";
}

function trimEnd(name: string): string {
  let end = name.length;
  while (end > 0 && (name.charAt(end - 1) == "." || name.charAt(end - 1) == " ")) end--;
  return name.substring(0, end);
}
