import { Container } from "./container";
import { Field } from "./field";
import { isAbsolute } from "./paths";
import { quote } from "./report";

export function checkProcess(c: Container): void {
  const process = c.spec.key("process");
  if (!process.map()) {
    process.violation("process.missing", "there is nothing to run", "add a process");
    return;
  }
  checkCommand(c, process);
  const cwd = process.key("cwd");
  const path = cwd.text();
  if (c.isLinux ? !path.startsWith("/") : !isAbsolute(path)) {
    cwd.violation("process.cwd", quote(path) + " is not an absolute path", c.isLinux ? "begin with /" : "begin with a drive, as C:\\");
  }
  if (!c.isLinux) checkIgnored(process);
}

// Arguments may hold secrets, so they are not quoted.
function checkCommand(c: Container, process: Field): void {
  const args = process.key("args").list();
  for (let i = 0; i < args.length; i++) args[i].text();
  const line = process.key("commandLine");
  const text = line.text();
  if (c.isLinux) {
    if (text != "") line.warning("spec.ignored", "a command line is for Windows containers", "use args");
    if (args.length == 0) process.key("args").violation("process.command", "there is nothing to run", "give args");
    return;
  }
  if (args.length > 0 && text != "") {
    line.warning("process.command", "there are args too, and the shim does not look at them", "give one of them");
  } else if (text.trim() == "" && (args.length == 0 || args[0].text() == "")) {
    process.violation("process.command", "there is nothing to run", "give args or commandLine");
  }
}

// These are for Linux, and a Windows container is no safer for them.
const linuxOnly = ["apparmorProfile", "capabilities", "noNewPrivileges", "oomScoreAdj", "rlimits", "selinuxLabel"];

function checkIgnored(process: Field): void {
  for (let i = 0; i < linuxOnly.length; i++) {
    const field = process.key(linuxOnly[i]);
    if (field.exists) field.warning("spec.ignored", "it means nothing to Windows containers", "leave it out");
  }
}
