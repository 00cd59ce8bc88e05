// SPDX-License-Identifier: Apache-2.0
/// @file What is told of a finished request. docs/operating.md says what each name means; they stay as they are.
#pragma once

#include <chrono>
#include <string>

#include "lb/snapshot.h"
#include "ops/render.h"
#include "proxy/access_record.h"

namespace weft::ops {

/// @param began when the request's head had come
Json as_json(const proxy::AccessRecord& record, std::chrono::system_clock::time_point began,
             const lb::Snapshot& snapshot);

/// Drawn from as_json()'s: a line, with its end, under access_heading().
std::string access_line(const Json& request);
std::string access_heading();

}  // namespace weft::ops
