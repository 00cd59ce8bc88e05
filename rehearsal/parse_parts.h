// SPDX-License-Identifier: Apache-2.0
/// @file What the parsers of a scenario share. Internal to them. What is wrong is reported at its field.
#pragma once

#include "registry-sync/yaml_fields.h"
#include "rehearsal/scenario.h"

namespace weft::rehearsal {

inline constexpr size_t kMostName = 63;
inline constexpr double kAll = 100;  // percent
inline constexpr Millis kMostDuration{3'600'000};

/// "90s", "1500ms"
std::string in_words(Millis time);
std::optional<Millis> duration_within(registry::Fields& fields, std::string_view key, Millis least, Millis most);
/// A plain decimal number, such as 99.95.
std::optional<double> decimal(registry::Fields& fields, std::string_view key, double least, double most);
/// @param scenario with all of its steps
Expectation parse_expectation(registry::Fields fields, const Scenario& scenario);

}  // namespace weft::rehearsal
