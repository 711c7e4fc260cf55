// What runsc makes of a spec, one function for each part. They take it that the schema
// has been checked: what is of another type is reported, and looks absent to them.
#pragma once

#include "report.h"

// What runsc, which reads specs with Go's encoding/json, could not decode, and keys that
// it takes for others than they look.
void checkSchema(const Node &spec, Report &report);
// Keys that occur twice, and nesting that is too deep, anywhere. The result is whether
// it may be looked at any further.
bool checkKeys(const Node &at, Report &report, unsigned depth = 0);

void checkProcess(const Node &spec, const Settings &settings, Report &report);
void checkRoot(const Node &spec, Report &report);
void checkMounts(const Node &spec, Report &report);
void checkHooks(const Node &spec, Report &report);
void checkLinux(const Node &spec, const Settings &settings, Report &report);
void checkAnnotations(const Node &spec, const Settings &settings, Report &report);

// strconv.ParseBool: 1 for true, 0 for false, -1 for neither.
int parseBool(Text s);
// Whether an annotation says true, as runsc reads those.
bool annotatedTrue(const Node &spec, Text name);
