// The parts of the OCI runtime spec that the checks look at, and their types.
#include <algorithm>
#include <vector>

#include "checks.h"

enum Kind { Any, Bool, Number, String, Strings, StringMap, Object, Objects };

struct Field {
  Text name;
  Kind kind;
  const Field *fields = nullptr;  // of Object and Objects; the last one has no name
};

static constexpr Field end = {Text(), Any};
static constexpr Field mapping[] = {{"containerID", Number}, {"hostID", Number}, {"size", Number}, end};
static constexpr Field hook[] = {{"path", String}, {"args", Strings}, {"env", Strings}, {"timeout", Number}, end};
static constexpr Field hooks[] = {
    {"prestart", Objects, hook},       {"createRuntime", Objects, hook}, {"createContainer", Objects, hook},
    {"startContainer", Objects, hook}, {"poststart", Objects, hook},     {"poststop", Objects, hook},
    end};
static constexpr Field rlimit[] = {{"type", String}, {"hard", Number}, {"soft", Number}, end};
static constexpr Field capabilities[] = {{"bounding", Strings},  {"effective", Strings}, {"inheritable", Strings},
                                         {"permitted", Strings}, {"ambient", Strings},   end};
static constexpr Field process[] = {{"terminal", Bool},
                                    {"consoleSize", Any},
                                    {"user", Any},
                                    {"args", Strings},
                                    {"commandLine", String},
                                    {"env", Strings},
                                    {"cwd", String},
                                    {"capabilities", Object, capabilities},
                                    {"rlimits", Objects, rlimit},
                                    {"noNewPrivileges", Bool},
                                    {"apparmorProfile", String},
                                    {"oomScoreAdj", Number},
                                    {"scheduler", Any},
                                    {"selinuxLabel", String},
                                    {"ioPriority", Any},
                                    {"execCPUAffinity", Any},
                                    end};
static constexpr Field root[] = {{"path", String}, {"readonly", Bool}, end};
static constexpr Field mount[] = {{"destination", String},           {"type", String},
                                  {"source", String},                {"options", Strings},
                                  {"uidMappings", Objects, mapping}, {"gidMappings", Objects, mapping},
                                  end};
static constexpr Field namespaces[] = {{"type", String}, {"path", String}, end};
static constexpr Field device[] = {{"path", String},  {"type", String},    {"major", Number}, {"minor", Number},
                                   {"fileMode", Any}, {"uid", Number},     {"gid", Number},   end};
static constexpr Field seccompArg[] = {{"index", Number}, {"value", Number}, {"valueTwo", Number}, {"op", String}, end};
static constexpr Field seccompSyscall[] = {
    {"names", Strings}, {"action", String}, {"errnoRet", Number}, {"args", Objects, seccompArg}, end};
static constexpr Field seccomp[] = {{"defaultAction", String},   {"defaultErrnoRet", Number},
                                    {"architectures", Strings},  {"flags", Strings},
                                    {"listenerPath", String},    {"listenerMetadata", String},
                                    {"syscalls", Objects, seccompSyscall}, end};
static constexpr Field resources[] = {{"devices", Objects, device}, {"memory", Any},         {"cpu", Any},
                                      {"pids", Any},                {"blockIO", Any},        {"hugepageLimits", Any},
                                      {"network", Any},             {"rdma", Any},           {"unified", StringMap},
                                      end};
static constexpr Field linux_[] = {{"uidMappings", Objects, mapping},
                                   {"gidMappings", Objects, mapping},
                                   {"sysctl", StringMap},
                                   {"resources", Object, resources},
                                   {"cgroupsPath", String},
                                   {"namespaces", Objects, namespaces},
                                   {"devices", Objects, device},
                                   {"netDevices", Any},
                                   {"seccomp", Object, seccomp},
                                   {"rootfsPropagation", String},
                                   {"maskedPaths", Strings},
                                   {"readonlyPaths", Strings},
                                   {"mountLabel", String},
                                   {"intelRdt", Any},
                                   {"memoryPolicy", Any},
                                   {"personality", Any},
                                   {"timeOffsets", Any},
                                   end};
static constexpr Field spec_[] = {{"ociVersion", String},
                                  {"process", Object, process},
                                  {"root", Object, root},
                                  {"hostname", String},
                                  {"domainname", String},
                                  {"mounts", Objects, mount},
                                  {"hooks", Object, hooks},
                                  {"annotations", StringMap},
                                  {"linux", Object, linux_},
                                  {"solaris", Any},
                                  {"windows", Any},
                                  {"vm", Any},
                                  {"zos", Any},
                                  {"freebsd", Any},
                                  end};

static void wrongType(const Node &at, Text want, Report &report) {
  report.violation("spec.type_mismatch", at, "it must be " + std::string(want), "write it as " + std::string(want));
}

static void checkStrings(const Node &at, Report &report) {
  at.eachItem([&](const Node &item) {
    if (!item.absent() && !item.isString()) wrongType(item, "a string", report);
  });
}

// Takes a character off rest, folded as encoding/json does when it looks for a field:
// ASCII letters, and the two others that fold to one.
static char foldOne(Text &rest) {
  const char c = rest.front();
  const bool s = startsWith(rest, "\u017f"), k = startsWith(rest, "\u212a");
  rest.remove_prefix(s ? 2 : k ? 3 : 1);
  if (s || k) return s ? 's' : 'k';
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

static bool sameFolded(Text a, Text b) {
  while (!a.empty() && !b.empty()) {
    if (foldOne(a) != foldOne(b)) return false;
  }
  return a.empty() && b.empty();
}

static void checkObject(const Node &at, const Field *fields, Report &report);

static void checkField(const Node &at, const Field &field, Report &report) {
  if (at.absent()) return;
  const Value &v = at.value();
  switch (field.kind) {
    case Any:
      return;
    case Bool:
      return v.IsBool() ? void() : wrongType(at, "true or false", report);
    case Number:
      return v.IsInt64() || v.IsUint64() ? void() : wrongType(at, "an integer", report);
    case String:
      return v.IsString() ? void() : wrongType(at, "a string", report);
    case Strings:
      return v.IsArray() ? checkStrings(at, report) : wrongType(at, "an array of strings", report);
    case StringMap:
      if (!v.IsObject()) return wrongType(at, "an object of strings", report);
      return at.eachMember([&](Text, const Node &member) {
        if (!member.absent() && !member.isString()) wrongType(member, "a string", report);
      });
    case Object:
      return v.IsObject() ? checkObject(at, field.fields, report) : wrongType(at, "an object", report);
    case Objects:
      if (!v.IsArray()) return wrongType(at, "an array of objects", report);
      return at.eachItem([&](const Node &item) {
        if (item.isObject()) {
          checkObject(item, field.fields, report);
        } else {
          wrongType(item, "an object", report);
        }
      });
  }
}

static void checkObject(const Node &at, const Field *fields, Report &report) {
  at.eachMember([&](Text name, const Node &member) {
    for (const Field *f = fields; f->name.data() != nullptr; f++) {
      if (name == f->name) return checkField(member, *f, report);
    }
    for (const Field *f = fields; f->name.data() != nullptr; f++) {
      if (sameFolded(name, f->name)) {
        report.violation("json.key_case", member, "to runsc it is " + quoted(f->name), "write it as " + quoted(f->name));
      }
    }
  });
}

void checkSchema(const Node &spec, Report &report) { checkObject(spec, spec_, report); }

bool checkKeys(const Node &at, Report &report, unsigned depth) {
  if (depth > 100) {
    report.violation("json.unreadable", Node("spec", nullptr), "it is nested too deep", "nest it less than 100 deep");
    return false;
  }
  std::vector<Text> names;
  bool readable = true;
  at.eachMember([&](Text name, const Node &member) {
    names.push_back(name);
    readable = readable && checkKeys(member, report, depth + 1);
  });
  at.eachItem([&](const Node &item) { readable = readable && checkKeys(item, report, depth + 1); });
  std::sort(names.begin(), names.end());
  for (size_t i = 1; i < names.size(); i++) {
    if (names[i] == names[i - 1] && (i < 2 || names[i] != names[i - 2])) {
      report.violation("json.duplicate_key", at.at(names[i]), "it is there more than once: readers differ in which they take",
                       "give it once");
    }
  }
  return readable;
}
