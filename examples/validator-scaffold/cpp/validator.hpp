#pragma once
// What it has beyond JSON needs a file system, and there is none.
#define JSON_HAS_FILESYSTEM 0
#define JSON_HAS_EXPERIMENTAL_FILESYSTEM 0
#include <nlohmann/json.hpp>

nlohmann::json judge(const nlohmann::json &request);
