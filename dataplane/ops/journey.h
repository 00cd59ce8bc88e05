// SPDX-License-Identifier: Apache-2.0
/// @file Puts together what several workers recorded of one packet.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/trace.h"

namespace weft::ops {

struct Stage {
  uint32_t worker = 0;
  l4::Passage passage;
  std::optional<l4::Verdict> lost_by = std::nullopt;  ///< it did not get where the passage says
};

struct Journey {
  uint64_t cycles = 0;        ///< of its first stage's record
  std::vector<Stage> stages;  ///< never empty
};

class Journeys {
 public:
  /// In any order.
  void add(uint32_t worker, const runtime::TraceRecord& record);

  /// Takes out the journeys that began before `cycles`, in their order. Precondition: all records of these were added.
  std::vector<Journey> settle(uint64_t cycles);

 private:
  struct Record {
    uint32_t worker = 0;
    bool used = false;
    runtime::TraceRecord record;

    bool begins() const { return record.what == runtime::TraceRecord::What::passage && !record.passage.taken_over; }
  };

  static bool go_on(Journey& journey, const Record& record);

  std::vector<Record> records_;
};

}  // namespace weft::ops
