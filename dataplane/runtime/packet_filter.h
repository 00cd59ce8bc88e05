// SPDX-License-Identifier: Apache-2.0
/// @file Which packets an operator wants to see: an expression in tcpdump's language (pcap-filter(7)), compiled by
/// libpcap.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <tl/expected.hpp>

struct bpf_program;  // libpcap's; its header and the kernel's can't be included together

namespace weft::runtime {

class PacketFilter {
 public:
  /// Lets every packet through.
  PacketFilter() = default;
  /// @param expression empty: every packet. Names of hosts and networks are refused: nobody is to wait for a name
  /// server. The error quotes libpcap's.
  static tl::expected<PacketFilter, std::string> compile(const std::string& expression);

  /// Allocates nothing; any thread.
  bool matches(std::span<const std::byte> frame) const;

 private:
  std::shared_ptr<const bpf_program> program_;
};

}  // namespace weft::runtime
