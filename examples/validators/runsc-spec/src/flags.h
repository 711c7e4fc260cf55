// The flags of runsc that annotations dev.gvisor.flag.NAME may set.
#pragma once

#include "checks.h"

// Checks the annotation of a flag, as Override in runsc/config/flags.go does.
void checkFlag(Text name, const Node &value, const Settings &settings, Report &report);
