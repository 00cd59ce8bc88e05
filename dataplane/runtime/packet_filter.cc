// SPDX-License-Identifier: Apache-2.0
#include "runtime/packet_filter.h"

#include <fmt/format.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <string_view>

namespace weft::runtime {
namespace {

constexpr int kLongestFrame = 65535;

/// The words of pcap-filter(7) that mean something on Ethernet. `protochain` is left out, as its programs loop.
const std::set<std::string_view>& keywords() {
  static const std::set<std::string_view> words = {"and",
                                                   "or",
                                                   "not",
                                                   "src",
                                                   "dst",
                                                   "host",
                                                   "net",
                                                   "mask",
                                                   "port",
                                                   "portrange",
                                                   "proto",
                                                   "ether",
                                                   "ip",
                                                   "ip6",
                                                   "arp",
                                                   "rarp",
                                                   "tcp",
                                                   "udp",
                                                   "sctp",
                                                   "icmp",
                                                   "icmp6",
                                                   "igmp",
                                                   "ah",
                                                   "esp",
                                                   "vrrp",
                                                   "pim",
                                                   "vlan",
                                                   "mpls",
                                                   "pppoed",
                                                   "pppoes",
                                                   "geneve",
                                                   "broadcast",
                                                   "multicast",
                                                   "less",
                                                   "greater",
                                                   "len",
                                                   "length",
                                                   "stp",
                                                   "llc",
                                                   "tcpflags",
                                                   "tcp-fin",
                                                   "tcp-syn",
                                                   "tcp-rst",
                                                   "tcp-push",
                                                   "tcp-ack",
                                                   "tcp-urg",
                                                   "tcp-ece",
                                                   "tcp-cwr",
                                                   "icmptype",
                                                   "icmpcode",
                                                   "icmp6type",
                                                   "icmp6code",
                                                   "icmp-echoreply",
                                                   "icmp-unreach",
                                                   "icmp-sourcequench",
                                                   "icmp-redirect",
                                                   "icmp-echo",
                                                   "icmp-routeradvert",
                                                   "icmp-routersolicit",
                                                   "icmp-timxceed",
                                                   "icmp-paramprob",
                                                   "icmp-tstamp",
                                                   "icmp-tstampreply",
                                                   "icmp6-destinationrunreach",
                                                   "icmp6-packettoobig",
                                                   "icmp6-timeexceeded",
                                                   "icmp6-parameterproblem",
                                                   "icmp6-echo",
                                                   "icmp6-echoreply",
                                                   "icmp6-routersolicit",
                                                   "icmp6-routeradvert",
                                                   "icmp6-neighborsolicit",
                                                   "icmp6-neighboradvert"};
  return words;
}

bool is_word_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == ':' || c == '-' || c == '_';
}

/// Numbers and addresses: no letter, or in hexadecimal digits with 0x before or colons between them.
bool is_number_or_address(std::string_view word) {
  const auto all = [&](std::string_view text, auto permitted) {
    return std::all_of(text.begin(), text.end(), [&](char c) { return permitted(static_cast<unsigned char>(c)); });
  };
  if (all(word, [](unsigned char c) { return std::isalpha(c) == 0 && c != '_'; })) {
    return true;
  }
  const auto hexadecimal = [](unsigned char c) { return std::isxdigit(c) != 0 || c == ':' || c == '.'; };
  return word.starts_with("0x") ? all(word.substr(2), hexadecimal)
                                : word.find(':') != std::string_view::npos && all(word, hexadecimal);
}

/// A word that libpcap would take for a name, and ask a name server for.
std::optional<std::string> name_in(std::string_view expression) {
  std::string_view before;
  for (size_t at = 0; at < expression.size();) {
    size_t end = at;
    while (end < expression.size() && is_word_character(expression[end])) {
      ++end;
    }
    if (end == at) {
      if (expression[at] == '\\' && before != "proto") {
        return std::string("\\");
      }
      ++at;
      continue;
    }
    const std::string_view word = expression.substr(at, end - at);
    const bool local = before == "port" || before == "proto";  // /etc/services, /etc/protocols
    if (!keywords().contains(word) && !is_number_or_address(word) && !local) {
      return std::string(word);
    }
    before = word;
    at = end;
  }
  return std::nullopt;
}

struct Close {
  void operator()(pcap_t* handle) const { pcap_close(handle); }
};

}  // namespace

tl::expected<PacketFilter, std::string> PacketFilter::compile(const std::string& expression) {
  PacketFilter filter;
  if (expression.empty()) {
    return filter;
  }
  if (const auto name = name_in(expression)) {
    return tl::unexpected(fmt::format(
        "filter: `{}` is no word of pcap-filter(7), and names are not looked up: write the address or number", *name));
  }
  const std::unique_ptr<pcap_t, Close> handle(pcap_open_dead(DLT_EN10MB, kLongestFrame));
  auto program = std::make_unique<bpf_program>();
  if (!handle || pcap_compile(handle.get(), program.get(), expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
    return tl::unexpected(fmt::format("filter: {}", handle ? pcap_geterr(handle.get()) : "no memory"));
  }
  filter.program_ = std::shared_ptr<const bpf_program>(program.release(), [](const bpf_program* compiled) {
    auto* owned = const_cast<bpf_program*>(compiled);
    pcap_freecode(owned);
    delete owned;
  });
  return filter;
}

bool PacketFilter::matches(std::span<const std::byte> frame) const {
  if (!program_) {
    return true;
  }
  const auto length = static_cast<uint32_t>(frame.size());
  return bpf_filter(program_->bf_insns, reinterpret_cast<const u_char*>(frame.data()), length, length) != 0;
}

}  // namespace weft::runtime
