// SPDX-License-Identifier: Apache-2.0
/// @file Finished requests, as somebody asked for them: workers write records, one thread reads them.
///
/// Workers wait for nobody: what finds no room until it is read is missed, and counted.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "proxy/access_record.h"
#include "runtime/record_ring.h"

namespace weft::runtime {

struct AccessFilter {
  std::vector<uint32_t> service_slots;  ///< requests that came to one of these; none: to any
  bool only_failed = false;             ///< see has_failed()

  bool wants(const proxy::AccessRecord& record) const;
};

/// Something went wrong (a flag says what), the client was told nothing, or of an error of servers.
bool has_failed(const proxy::AccessRecord& record);

class Access {
 public:
  static constexpr size_t kRecords = 4096;  ///< a worker; 0.6 KiB each

  /// Takes all memory that it will need.
  Access(uint32_t workers, AccessFilter filter);

  /// A worker's side.
  void finished(uint32_t worker, const proxy::AccessRecord& record);

  // The reader's side.
  /// Moves a worker's oldest record to `record`. Workers take turns, so a reader who is too slow misses some of each.
  /// @returns false if there is none
  bool take(proxy::AccessRecord& record);
  /// Of all workers, until now.
  uint64_t missed() const;

 private:
  const AccessFilter filter_;
  std::vector<std::unique_ptr<RecordRing>> rings_;
  size_t next_ = 0;  ///< the reader's: the ring whose turn it is
};

}  // namespace weft::runtime
