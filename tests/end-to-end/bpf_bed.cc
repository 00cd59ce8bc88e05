// SPDX-License-Identifier: Apache-2.0
#include "bpf_bed.h"

#include <bpf/bpf.h>

#include <bit>
#include <cstring>

namespace weft::bpf {
namespace {

void put16(Frame& frame, size_t value) {
  frame.push_back(static_cast<uint8_t>(value >> 8));
  frame.push_back(static_cast<uint8_t>(value));
}

void append(Frame& frame, const Frame& more) {
  frame.insert(frame.end(), more.begin(), more.end());
}

Frame transport_of(const Packet& packet) {
  Frame bytes;
  if (packet.protocol == kTcp || packet.protocol == kUdp) {
    put16(bytes, packet.from_port);
    put16(bytes, packet.to_port);
    append(bytes, Frame(4));
  } else if (packet.protocol == kIcmp || packet.protocol == kIcmpv6) {
    bytes = {packet.icmp_type, 0, 0, 0, 0, 0, 0, 0};
  }
  append(bytes, packet.payload);
  return bytes;
}

Frame ipv4_of(const Packet& packet) {
  const Frame transport = transport_of(packet);
  Frame bytes = {static_cast<uint8_t>((packet.version == 0 ? 4 : packet.version) << 4 | packet.header_words),
                 packet.traffic_class};
  put16(bytes, packet.header_words * 4U + transport.size());
  put16(bytes, 7);
  put16(bytes, packet.fragment);
  bytes.push_back(64);
  bytes.push_back(packet.protocol);
  put16(bytes, 0);
  for (const char* text : {packet.from, packet.to}) {
    const uint32_t address = ip(text).words[3];
    append(bytes, Frame(reinterpret_cast<const uint8_t*>(&address), reinterpret_cast<const uint8_t*>(&address) + 4));
  }
  for (int i = 5; i < packet.header_words; ++i) {
    append(bytes, {1, 1, 1, 1});  // "no operation": as ports they would be 257 and 257
  }
  append(bytes, transport);
  return bytes;
}

Frame ipv6_of(const Packet& packet) {
  Frame rest;
  for (size_t i = 0; i < packet.extensions.size(); ++i) {
    const bool is_fragment = packet.extensions[i] == 44;
    const uint8_t length = packet.extensions[i] == 0 ? 2 : 0;
    rest.push_back(i + 1 < packet.extensions.size() ? packet.extensions[i + 1] : packet.protocol);
    rest.push_back(is_fragment ? 0 : length);
    put16(rest, is_fragment ? packet.fragment : 0x0101);
    append(rest, Frame(4U + length * 8U, 1));
  }
  append(rest, transport_of(packet));
  Frame bytes = {static_cast<uint8_t>((packet.version == 0 ? 6 : packet.version) << 4 | packet.traffic_class >> 4),
                 static_cast<uint8_t>(packet.traffic_class << 4), 0, 0};
  put16(bytes, rest.size());
  bytes.push_back(packet.extensions.empty() ? packet.protocol : packet.extensions.front());
  bytes.push_back(64);
  for (const char* text : {packet.from, packet.to}) {
    const weft_address address = ip(text);
    append(bytes, Frame(reinterpret_cast<const uint8_t*>(&address), reinterpret_cast<const uint8_t*>(&address) + 16));
  }
  append(bytes, rest);
  return bytes;
}

bool is_ipv6(const Packet& packet) {
  return std::strchr(packet.to, ':') != nullptr;
}

}  // namespace

weft_address ip(const char* text) {
  if (std::strncmp(text, "::ffff:", 7) == 0) {
    return std::bit_cast<weft_address>(lb::Address(lb::parse_ipv4(text + 7).value()));
  }
  return std::bit_cast<weft_address>(lb::parse_address(text).value());
}

Frame packet_of(const Packet& packet) {
  return is_ipv6(packet) ? ipv6_of(packet) : ipv4_of(packet);
}

Frame frame_of(const Packet& packet) {
  Frame frame = {0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 8};  // to `lo` itself: a NIC's program looks at nothing else
  put16(frame, packet.type != 0 ? packet.type : is_ipv6(packet) ? 0x86dd : 0x0800);
  append(frame, packet_of(packet));
  frame.resize(std::min(packet.cut, frame.size()));
  return frame;
}

void Programs::SetUp() {
  auto loaded = Loader::load(kPins);
  ASSERT_TRUE(loaded) << loaded.error();
  loader_ = std::move(*loaded);
  for (const Addresses& addresses : {kIpv4Addresses, kIpv6Addresses}) {
    for (const char* pod : {addresses.pod, addresses.other}) {
      for (const uint8_t protocol : {kTcp, kUdp}) {
        ASSERT_TRUE(loader_->endpoints().set({.address = ip(pod), .port = be(8080), .protocol = protocol}, kPresent));
      }
      ASSERT_TRUE(loader_->endpoints().set({.address = ip(pod)}, kPresent));
    }
    ASSERT_TRUE(loader_->vips().set(ip(addresses.vip), kPresent));
    ASSERT_TRUE(loader_->vips().set(ip(addresses.direct), kPresent));
    ASSERT_TRUE(loader_->sources().set({.ifindex = kInterface, .address = ip(addresses.pod)}, WEFT_SOURCE_OWN));
    ASSERT_TRUE(loader_->sources().set({.ifindex = kInterface, .address = ip(addresses.direct)}, WEFT_SOURCE_VIP));
    ASSERT_TRUE(loader_->sources().set({.ifindex = kOtherInterface, .address = ip(addresses.other)}, WEFT_SOURCE_OWN));
    ASSERT_TRUE(loader_->pods().set(ip(addresses.pod), kPod));
  }
  set_workers(1);
}

void Programs::TearDown() {
  if (loader_ != nullptr) {
    EXPECT_TRUE(loader_->unpin());
  }
}

void Programs::set_workers(uint32_t count) {
  ASSERT_TRUE(loader_->set_settings({.workers = count, .mtu = 1500}));
  for (uint32_t worker = 0; worker < WEFT_MAX_WORKERS; ++worker) {
    ASSERT_TRUE(loader_->set_worker(worker, worker < count ? kInterface : 0));
  }
}

void Programs::leave_only(uint32_t worker) {
  for (uint32_t each = 0; each < WEFT_MAX_WORKERS; ++each) {
    ASSERT_TRUE(loader_->set_worker(each, each == worker ? kInterface : 0));
  }
}

Programs::Outcome Programs::run(Program program, const Frame& in, uint32_t gso_size, uint32_t mark) {
  const Counters before = loader_->counters().value();
  Frame out(in.size() + 64);
  __sk_buff context{};
  context.gso_size = gso_size;
  context.mark = mark;
  context.ifindex = kInterface;
  bpf_test_run_opts options;
  std::memset(&options, 0, sizeof options);  // its padding too, or libbpf refuses it
  options.sz = sizeof options;
  options.data_in = in.data();
  options.data_out = out.data();
  options.data_size_in = static_cast<uint32_t>(in.size());
  options.data_size_out = static_cast<uint32_t>(out.size());
  options.ctx_in = &context;
  options.ctx_size_in = sizeof context;
  EXPECT_EQ(bpf_prog_test_run_opts(loader_->fd(program), &options), 0) << std::strerror(errno);
  out.resize(options.data_size_out);
  Counters counted = loader_->counters().value();
  for (size_t i = 0; i < counted.size(); ++i) {
    counted[i] -= before[i];
  }
  return {.verdict = options.retval, .frame = out, .counted = counted};
}

void Programs::expect(Program program, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const Frame in = frame_of(row.packet);
    expect(run(program, in), row.verdict, row.counter, in);
  }
}

void Programs::expect(const Outcome& outcome, uint32_t verdict, weft_counter counter, const Frame& frame) {
  Counters one{};
  one[counter] = 1;
  EXPECT_EQ(outcome.verdict, verdict);
  EXPECT_EQ(outcome.counted, one) << "exactly " << to_string(counter);
  EXPECT_EQ(outcome.frame, frame);
}

}  // namespace weft::bpf
