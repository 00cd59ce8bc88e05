// SPDX-License-Identifier: Apache-2.0
/// @file A program at an interface's tc ingress or egress, beside what others have attached there.
///
/// weft's filter is known by its handle and priority, which nobody else has by chance, so a restarted weftd finds and
/// replaces its own, and leaves all others alone. Priority 100 is behind what an administrator puts first by hand, and
/// before filters without a priority of their own (from 49152 down), which is where most CNIs' are.
///
/// libbpf 1.1 and the kernels that weft supports have no tcx everywhere; clsact they all have.
/// Control thread only; interfaces are those of the caller's network namespace.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>

namespace weft::bpf {

constexpr uint32_t kFilterHandle = 0x77656674;  // "weft"
constexpr uint32_t kFilterPriority = 100;

enum class Side : uint8_t { ingress, egress };

enum class Clsact : uint8_t {
  ours,     ///< made here, for the filter
  foreign,  ///< was there already
};

/// Makes the interface's clsact qdisc if it has none. Replaces weft's filter if there is one.
tl::expected<Clsact, std::string> attach_filter(uint32_t ifindex, Side side, int program_fd);

/// Is weft's filter there?
bool has_filter(uint32_t ifindex, Side side = Side::ingress);

/// Removes weft's filter and no other; if the clsact qdisc is ours and nobody else uses it by now, the qdisc too.
/// No error if there is no filter, or no such interface any more.
tl::expected<void, std::string> detach_filter(uint32_t ifindex, Side side, Clsact clsact);

}  // namespace weft::bpf
