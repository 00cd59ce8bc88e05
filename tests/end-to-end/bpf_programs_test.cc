// SPDX-License-Identifier: Apache-2.0
/// @file The eBPF programs in the kernel, a frame at a time: verdict, bytes and counters of every way out.
///
/// BPF_PROG_TEST_RUN shows frames as if they came in at `lo` (interface 1). It does not show where a redirect leads, so
/// tests leave but one worker's interface set: only its flows are redirected then, the others drop. And it takes no
/// frame that ends within its IP header: pods_test.cc sends those.
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/pkt_cls.h>

#include <cstring>

#include "bpf/loader.h"
#include "lb/address.h"

namespace weft::bpf {
namespace {

using Frame = std::vector<uint8_t>;

constexpr uint32_t kInterface = 1;
constexpr uint32_t kOtherInterface = 2;
constexpr const char* kPins = "/sys/fs/bpf/weft-test";
constexpr auto kPass = static_cast<uint32_t>(TC_ACT_UNSPEC);

uint32_t ip(const char* text) {
  return static_cast<uint32_t>(lb::parse_ipv4(text).value());
}
uint16_t be(uint16_t value) {
  return __builtin_bswap16(value);
}

struct Packet {
  const char* from = "10.1.0.2";
  uint16_t from_port = 40000;
  const char* to = "10.96.0.1";
  uint16_t to_port = 80;
  uint8_t protocol = 17;
  uint16_t type = 0x0800;
  uint8_t version = 4;
  uint8_t header_words = 5;
  uint16_t fragment = 0;
  size_t cut = SIZE_MAX;  ///< the frame's length
};

Frame frame_of(const Packet& packet) {
  Frame frame = {2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8};
  const auto put16 = [&frame](uint16_t value) {
    frame.push_back(static_cast<uint8_t>(value >> 8));
    frame.push_back(static_cast<uint8_t>(value));
  };
  const auto put_address = [&frame](const char* text) {
    const uint32_t address = ip(text);
    const auto* bytes = reinterpret_cast<const uint8_t*>(&address);
    frame.insert(frame.end(), bytes, bytes + 4);
  };
  put16(packet.type);
  frame.push_back(static_cast<uint8_t>(packet.version << 4 | packet.header_words));
  frame.push_back(0);
  put16(static_cast<uint16_t>(packet.header_words * 4 + 28));
  put16(7);
  put16(packet.fragment);
  frame.push_back(64);
  frame.push_back(packet.protocol);
  put16(0);
  put_address(packet.from);
  put_address(packet.to);
  for (int i = 5; i < packet.header_words; ++i) {
    frame.insert(frame.end(), {1, 1, 1, 1});  // "no operation": as ports they would be 257 and 257
  }
  put16(packet.from_port);
  put16(packet.to_port);
  frame.resize(frame.size() + 24, 0x5a);
  frame.resize(std::min(packet.cut, frame.size()));
  return frame;
}

/// Pod 10.1.0.2 on kInterface, with a UDP and a TCP endpoint at port 8080; pod 10.1.0.3 elsewhere; VIP 10.96.0.1.
class Programs : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = Loader::load(kPins);
    ASSERT_TRUE(loaded) << loaded.error();
    loader_ = std::move(*loaded);
    ASSERT_TRUE(loader_->vips().set(ip("10.96.0.1"), kPresent));
    for (const char* pod : {"10.1.0.2", "10.1.0.3"}) {
      for (const uint8_t protocol : {uint8_t{6}, uint8_t{17}}) {
        ASSERT_TRUE(loader_->endpoints().set({.address = ip(pod), .port = be(8080), .protocol = protocol}, kPresent));
      }
    }
    ASSERT_TRUE(loader_->sources().set({.ifindex = kInterface, .address = ip("10.1.0.2")}, kPresent));
    ASSERT_TRUE(loader_->sources().set({.ifindex = kOtherInterface, .address = ip("10.1.0.3")}, kPresent));
    set_workers(1);
  }
  void TearDown() override {
    if (loader_ != nullptr) {
      EXPECT_TRUE(loader_->unpin());
    }
  }

  void set_workers(uint32_t count) {
    ASSERT_TRUE(loader_->set_worker_count(count));
    for (uint32_t worker = 0; worker < WEFT_MAX_WORKERS; ++worker) {
      ASSERT_TRUE(loader_->set_worker(worker, worker < count ? kInterface : 0));
    }
  }
  void leave_only(uint32_t worker) {
    for (uint32_t each = 0; each < WEFT_MAX_WORKERS; ++each) {
      ASSERT_TRUE(loader_->set_worker(each, each == worker ? kInterface : 0));
    }
  }

  struct Outcome {
    uint32_t verdict;
    Frame frame;
    Counters counted;
  };
  Outcome run(Program program, const Frame& in) {
    const Counters before = loader_->counters().value();
    Frame out(in.size() + 64);
    bpf_test_run_opts options;
    std::memset(&options, 0, sizeof options);  // its padding too, or libbpf refuses it
    options.sz = sizeof options;
    options.data_in = in.data();
    options.data_out = out.data();
    options.data_size_in = static_cast<uint32_t>(in.size());
    options.data_size_out = static_cast<uint32_t>(out.size());
    EXPECT_EQ(bpf_prog_test_run_opts(loader_->fd(program), &options), 0) << std::strerror(errno);
    out.resize(options.data_size_out);
    Counters counted = loader_->counters().value();
    for (size_t i = 0; i < counted.size(); ++i) {
      counted[i] -= before[i];
    }
    return {.verdict = options.retval, .frame = out, .counted = counted};
  }

  struct Row {
    const char* name;
    Packet packet;
    uint32_t verdict;
    weft_counter counter;
  };
  void expect(Program program, const std::vector<Row>& rows) {
    for (const Row& row : rows) {
      SCOPED_TRACE(row.name);
      const Frame in = frame_of(row.packet);
      const Outcome outcome = run(program, in);
      Counters one{};
      one[row.counter] = 1;
      EXPECT_EQ(outcome.verdict, row.verdict);
      EXPECT_EQ(outcome.counted, one) << "exactly " << to_string(row.counter);
      EXPECT_EQ(outcome.frame, in) << "not a byte changes";
    }
  }

  std::unique_ptr<Loader> loader_;
};

TEST_F(Programs, FromPodRedirectsTheMeshAndPassesTheRest) {
  expect(Program::from_pod,
         {{"UDP to a VIP", {}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
          {"TCP to a VIP", {.protocol = 6}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
          {"ping of a VIP", {.protocol = 1}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
          {"an unknown protocol to a VIP", {.protocol = 132}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
          {"options", {.header_words = 15}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
          {"don't fragment", {.fragment = 0x4000}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
          {"a fragment to a VIP", {.fragment = 0x2000}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
          {"from an endpoint to a VIP", {.from_port = 8080}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
          {"UDP reply", {.from_port = 8080, .to = "10.1.9.9"}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REPLY},
          {"TCP reply",
           {.from_port = 8080, .to = "10.1.9.9", .protocol = 6},
           TC_ACT_REDIRECT,
           WEFT_FROM_POD_REDIRECTED_REPLY},
          {"reply with options",
           {.from_port = 8080, .to = "10.1.9.9", .header_words = 7},
           TC_ACT_REDIRECT,
           WEFT_FROM_POD_REDIRECTED_REPLY},
          {"another port", {.from_port = 8081, .to = "10.1.9.9"}, kPass, WEFT_FROM_POD_PASSED},
          {"another protocol", {.from_port = 8080, .to = "10.1.9.9", .protocol = 132}, kPass, WEFT_FROM_POD_PASSED},
          {"ping of another pod", {.to = "10.1.9.9", .protocol = 1}, kPass, WEFT_FROM_POD_PASSED},
          {"from an address of nobody", {.from = "10.1.0.7", .to = "10.1.9.9"}, kPass, WEFT_FROM_POD_PASSED},
          {"fragment of what may be a reply",
           {.from_port = 8080, .to = "10.1.9.9", .fragment = 0x2000},
           kPass,
           WEFT_FROM_POD_PASSED_FRAGMENT},
          {"a later fragment", {.to = "10.1.9.9", .fragment = 0x00b9}, kPass, WEFT_FROM_POD_PASSED_FRAGMENT},
          {"ARP", {.type = 0x0806}, kPass, WEFT_FROM_POD_PASSED_NOT_IPV4},
          {"IPv6", {.type = 0x86dd, .version = 6}, kPass, WEFT_FROM_POD_PASSED_NOT_IPV4},
          {"VLAN", {.type = 0x8100}, kPass, WEFT_FROM_POD_PASSED_NOT_IPV4}});
}

TEST_F(Programs, FromPodDropsSpoofedMeshTraffic) {
  expect(Program::from_pod,
         {{"an address of nobody", {.from = "10.1.0.7"}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_SPOOFED},
          {"another pod's", {.from = "10.1.0.3"}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_SPOOFED},
          {"another pod's, ping", {.from = "10.1.0.3", .protocol = 1}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_SPOOFED},
          {"another pod's, fragment", {.from = "10.1.0.3", .fragment = 1}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_SPOOFED},
          {"a VIP's", {.from = "10.96.0.1"}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_SPOOFED},
          {"a reply of another pod's endpoint",
           {.from = "10.1.0.3", .from_port = 8080, .to = "10.1.9.9"},
           TC_ACT_SHOT,
           WEFT_FROM_POD_DROPPED_SPOOFED}});
}

TEST_F(Programs, FromPodDropsWhatIsCutShort) {
  constexpr size_t kPorts = 14 + 20;
  expect(Program::from_pod,
         {{"no ports", {.cut = kPorts}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_MALFORMED},
          {"half of the ports", {.cut = kPorts + 3}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_MALFORMED},
          {"just the ports", {.cut = kPorts + 4}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
          {"options without ports behind",
           {.header_words = 6, .cut = kPorts + 4},
           TC_ACT_SHOT,
           WEFT_FROM_POD_DROPPED_MALFORMED},
          {"ping needs no ports", {.protocol = 1, .cut = kPorts}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST},
          {"version 6 in an IPv4 frame", {.version = 6}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_MALFORMED},
          {"a header of 16 bytes", {.header_words = 4}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_MALFORMED},
          {"no ports, but not of the mesh", {.to = "10.1.9.9", .cut = kPorts}, kPass, WEFT_FROM_POD_PASSED}});
}

TEST_F(Programs, FromPodDropsWhatHasNoWorker) {
  set_workers(1);
  leave_only(1);
  expect(Program::from_pod,
         {{"request", {}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_NO_WORKER},
          {"reply", {.from_port = 8080, .to = "10.1.9.9"}, TC_ACT_SHOT, WEFT_FROM_POD_DROPPED_NO_WORKER},
          {"not of the mesh", {.to = "10.1.9.9"}, kPass, WEFT_FROM_POD_PASSED}});
}

TEST_F(Programs, FromPodPassesAllWhileTheMeshIsOff) {
  set_workers(0);
  expect(Program::from_pod, {{"request", {}, kPass, WEFT_FROM_POD_PASSED_OFF},
                             {"spoofed", {.from = "10.1.0.3"}, kPass, WEFT_FROM_POD_PASSED_OFF},
                             {"ARP", {.type = 0x0806}, kPass, WEFT_FROM_POD_PASSED_OFF},
                             {"malformed", {.version = 6}, kPass, WEFT_FROM_POD_PASSED_OFF}});
}

TEST_F(Programs, BothDirectionsOfAFlowReachTheWorkerOfItsClient) {
  constexpr uint32_t kWorkers = 5;
  ASSERT_TRUE(loader_->set_worker_count(kWorkers));
  // The pod of the fixture as client of requests, and other clients of its endpoint in replies.
  for (uint32_t worker = 0; worker < kWorkers; ++worker) {
    leave_only(worker);
    for (uint16_t port = 40000; port < 40100; ++port) {
      for (const uint8_t protocol : {uint8_t{6}, uint8_t{17}}) {
        const uint32_t owner = weft_worker_of(weft_client_hash(ip("10.1.0.2"), be(port), protocol), kWorkers);
        const uint32_t verdict = owner == worker ? TC_ACT_REDIRECT : TC_ACT_SHOT;
        const Packet request{.from_port = port, .protocol = protocol};
        const Packet with_options{.from_port = port, .protocol = protocol, .header_words = 9};
        const Packet reply{.from_port = 8080, .to = "10.1.0.2", .to_port = port, .protocol = protocol};
        ASSERT_EQ(run(Program::from_pod, frame_of(request)).verdict, verdict) << port;
        ASSERT_EQ(run(Program::from_pod, frame_of(with_options)).verdict, verdict) << port;
        ASSERT_EQ(run(Program::from_pod, frame_of(reply)).verdict, verdict) << port;
      }
    }
  }
}

TEST_F(Programs, PacketsWithoutPortsReachTheWorkerOfTheAddress) {
  constexpr uint32_t kWorkers = 7;
  ASSERT_TRUE(loader_->set_worker_count(kWorkers));
  const uint32_t owner = weft_worker_of(weft_address_hash(ip("10.1.0.2")), kWorkers);
  for (uint32_t worker = 0; worker < kWorkers; ++worker) {
    leave_only(worker);
    const uint32_t verdict = owner == worker ? TC_ACT_REDIRECT : TC_ACT_SHOT;
    for (uint16_t port = 40000; port < 40020; ++port) {
      for (const Packet& packet :
           {Packet{.from_port = port, .fragment = 0x2000}, Packet{.from_port = port, .fragment = 5},
            Packet{.from_port = port, .protocol = 1}, Packet{.from_port = port, .protocol = 47}}) {
        ASSERT_EQ(run(Program::from_pod, frame_of(packet)).verdict, verdict) << "worker " << worker;
      }
    }
  }
}

TEST_F(Programs, ToPodWritesThePodsAddressesAndNothingElse) {
  const weft_pod pod{.ifindex = kOtherInterface, .mac = {2, 1, 1, 1, 1, 1}, .host_mac = {2, 7, 7, 7, 7, 7}};
  ASSERT_TRUE(loader_->pods().set(ip("10.1.0.2"), pod));
  for (const Packet& packet : {Packet{.from = "10.96.0.1", .to = "10.1.0.2"},
                               Packet{.from = "10.96.0.1", .to = "10.1.0.2", .header_words = 15, .fragment = 3},
                               Packet{.to = "10.1.0.2", .protocol = 1, .cut = 34}}) {
    const Frame in = frame_of(packet);
    const Outcome outcome = run(Program::to_pod, in);
    Frame expected = in;
    std::copy(std::begin(pod.mac), std::end(pod.mac), expected.begin());
    std::copy(std::begin(pod.host_mac), std::end(pod.host_mac), expected.begin() + 6);
    Counters one{};
    one[WEFT_TO_POD_REDIRECTED] = 1;
    EXPECT_EQ(outcome.verdict, uint32_t{TC_ACT_REDIRECT});
    EXPECT_EQ(outcome.frame, expected);
    EXPECT_EQ(outcome.counted, one);
  }
}

TEST_F(Programs, ToPodPassesWhatIsNotForALocalPod) {
  expect(Program::to_pod, {{"another address", {.to = "10.1.0.3"}, kPass, WEFT_TO_POD_PASSED},
                           {"ARP", {.type = 0x0806}, kPass, WEFT_TO_POD_PASSED_NOT_IPV4},
                           {"a header of 16 bytes", {.header_words = 4}, TC_ACT_SHOT, WEFT_TO_POD_DROPPED_MALFORMED},
                           {"version 5", {.version = 5}, TC_ACT_SHOT, WEFT_TO_POD_DROPPED_MALFORMED}});
}

TEST_F(Programs, ARestartFindsTheMapsAsTheyWere) {
  EXPECT_FALSE(loader_->took_over());
  run(Program::from_pod, frame_of({}));
  const Counters before = loader_->counters().value();
  loader_.reset();
  auto again = Loader::load(kPins);
  ASSERT_TRUE(again) << again.error();
  loader_ = std::move(*again);
  EXPECT_TRUE(loader_->took_over());
  EXPECT_EQ(loader_->counters().value(), before);
  EXPECT_EQ(before[WEFT_FROM_POD_REDIRECTED_REQUEST], 1U);
  expect(Program::from_pod, {{"the new program", {}, TC_ACT_REDIRECT, WEFT_FROM_POD_REDIRECTED_REQUEST}});
}

// Pins the hash: a change here would part the two directions of flows that live over an upgrade.
TEST(ClientHash, IsTheSameInEveryRelease) {
  EXPECT_EQ(weft_client_hash(ip("10.1.0.2"), be(40000), 6), 2369175464U);
  EXPECT_EQ(weft_address_hash(ip("10.1.0.2")), 813397939U);
}

TEST(ClientHash, SpreadsPortsAndAddressesOverWorkers) {
  for (const uint32_t workers : {2U, 3U, 8U, 16U}) {
    std::vector<uint32_t> by_port(workers);
    std::vector<uint32_t> by_address(workers);
    for (uint16_t i = 0; i < 16000; ++i) {
      ++by_port[weft_worker_of(weft_client_hash(ip("10.1.0.2"), be(static_cast<uint16_t>(32768 + i)), 6), workers)];
      ++by_address[weft_worker_of(weft_client_hash(ip("10.1.0.0") + (uint32_t{be(i)} << 16), be(40000), 17), workers)];
    }
    for (uint32_t worker = 0; worker < workers; ++worker) {
      EXPECT_NEAR(by_port[worker], 16000.0 / workers, 16000.0 / workers * 0.12);
      EXPECT_NEAR(by_address[worker], 16000.0 / workers, 16000.0 / workers * 0.12);
    }
  }
}

}  // namespace
}  // namespace weft::bpf
