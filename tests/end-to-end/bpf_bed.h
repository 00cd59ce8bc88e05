// SPDX-License-Identifier: Apache-2.0
/// @file Frames for the eBPF programs, and the programs in the kernel, a frame at a time: verdict, bytes and counters.
///
/// BPF_PROG_TEST_RUN shows frames as if they came in at `lo` (interface 1). It does not show where a redirect leads, so
/// tests leave but one worker's interface set: only its flows are redirected then, the others drop. And it takes no
/// frame that ends within its IP header: pods_traffic_test.cc sends those.
#pragma once

#include <gtest/gtest.h>
#include <linux/pkt_cls.h>

#include <memory>
#include <string>
#include <vector>

#include "bpf/loader.h"
#include "lb/address.h"

namespace weft::bpf {

using Frame = std::vector<uint8_t>;

constexpr uint32_t kInterface = 1;
constexpr uint32_t kOtherInterface = 2;
constexpr const char* kPins = "/sys/fs/bpf/weft-test";
constexpr auto kPass = static_cast<uint32_t>(TC_ACT_UNSPEC);

constexpr uint8_t kIcmp = 1;
constexpr uint8_t kIpip = 4;
constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kIpv6 = 41;
constexpr uint8_t kIcmpv6 = 58;
constexpr uint8_t kSctp = 132;

weft_address ip(const char* text);
constexpr uint16_t be(uint16_t value) {
  return __builtin_bswap16(value);
}

/// Of the family of its addresses.
struct Packet {
  const char* from = "10.1.0.2";
  const char* to = "10.96.0.1";
  uint16_t from_port = 40000;
  uint16_t to_port = 80;
  uint8_t protocol = kUdp;
  uint8_t icmp_type = 8;
  uint16_t fragment = 0;            ///< IPv4: as in the header; IPv6: as in the fragment header, if there is one
  std::vector<uint8_t> extensions;  ///< IPv6: their protocols, each with 8 bytes, hop-by-hop with 24
  uint16_t type = 0;                ///< Ethernet's; 0: that of the family
  uint8_t version = 0;              ///< the IP header's; 0: that of the family
  uint8_t header_words = 5;         ///< IPv4
  uint8_t traffic_class = 0;
  Frame payload = Frame(24, 0x5a);  ///< behind ports or ICMP header; of any other protocol, behind IP
  size_t cut = SIZE_MAX;            ///< the frame's length
};

Frame frame_of(const Packet& packet);
/// From the IP header on.
Frame packet_of(const Packet& packet);

/// What the programs are shown of each family. The pod of kInterface has `pod`, and endpoints there at port 8080.
struct Addresses {
  const char* pod;
  const char* other;  ///< another pod's, on kOtherInterface, with the same endpoints
  const char* vip;
  const char* direct;  ///< a VIP that `pod` serves by direct server return
  const char* client;  ///< of no pod here
  const char* nobody;  ///< of no pod, endpoint or client
  uint8_t icmp;
  uint8_t echo;  ///< request
};
constexpr Addresses kIpv4Addresses = {"10.1.0.2", "10.1.0.3", "10.96.0.1", "10.96.0.2",
                                      "10.1.9.9", "10.1.0.7", kIcmp,       8};
constexpr Addresses kIpv6Addresses = {"fd00:1::2",   "fd00:1::3", "fd00:96::1", "fd00:96::2",
                                      "fd00:1::9:9", "fd00:1::7", kIcmpv6,      128};

constexpr weft_pod kPod = {.ifindex = kInterface, .mac = {2, 1, 1, 1, 1, 1}, .host_mac = {2, 7, 7, 7, 7, 7}};

class Programs : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  void set_workers(uint32_t count);
  void leave_only(uint32_t worker);

  struct Outcome {
    uint32_t verdict;
    Frame frame;
    Counters counted;
  };
  Outcome run(Program program, const Frame& in, uint32_t gso_size = 0, uint32_t mark = 0);

  struct Row {
    const char* name;
    Packet packet;
    uint32_t verdict;
    weft_counter counter;
  };
  /// The verdict, that one counter, and not a byte of the frame changed.
  void expect(Program program, const std::vector<Row>& rows);
  void expect(const Outcome& outcome, uint32_t verdict, weft_counter counter, const Frame& frame);

  std::unique_ptr<Loader> loader_;
};

/// For tests that hold of both families.
class BothFamilies : public Programs, public ::testing::WithParamInterface<Addresses> {
 protected:
  const Addresses& a_ = GetParam();
};

}  // namespace weft::bpf
