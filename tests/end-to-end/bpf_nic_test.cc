// SPDX-License-Identifier: Apache-2.0
/// @file What comes in at a NIC and what the host's own processes send: every way out of from_nic and from_host but
/// tunnels'.
#include "bpf_bed.h"

namespace weft::bpf {
namespace {

class NicAndHost : public BothFamilies {};
INSTANTIATE_TEST_SUITE_P(Families, NicAndHost, ::testing::Values(kIpv4Addresses, kIpv6Addresses),
                         [](const auto& test) { return test.param.icmp == kIcmp ? "IPv4" : "IPv6"; });

TEST_P(NicAndHost, FromNicBringsRepliesAndRequestsToWorkers) {
  expect(Program::from_nic,
         {{"a client's request", {.from = a_.client, .to = a_.vip}, TC_ACT_REDIRECT, WEFT_FROM_NIC_REDIRECTED_REQUEST},
          {"anybody's: only pods are held to their addresses",
           {.from = a_.vip, .to = a_.vip},
           TC_ACT_REDIRECT,
           WEFT_FROM_NIC_REDIRECTED_REQUEST},
          {"a request without ports",
           {.from = a_.client, .to = a_.vip, .protocol = kSctp},
           TC_ACT_REDIRECT,
           WEFT_FROM_NIC_REDIRECTED_REQUEST},
          {"a client's ICMP error",
           {.from = a_.client, .to = a_.vip, .protocol = a_.icmp, .icmp_type = 3},
           TC_ACT_REDIRECT,
           WEFT_FROM_NIC_REDIRECTED_ERROR},
          {"a remote endpoint's reply",
           {.from = a_.other, .to = a_.pod, .from_port = 8080},
           TC_ACT_REDIRECT,
           WEFT_FROM_NIC_REDIRECTED_REPLY},
          {"its ICMP error",
           {.from = a_.other, .to = a_.pod, .protocol = a_.icmp, .icmp_type = 3},
           TC_ACT_REDIRECT,
           WEFT_FROM_NIC_REDIRECTED_ERROR},
          {"another port of it", {.from = a_.other, .to = a_.pod, .from_port = 22}, kPass, WEFT_FROM_NIC_PASSED},
          {"nothing of the mesh", {.from = a_.client, .to = a_.pod}, kPass, WEFT_FROM_NIC_PASSED},
          {"ARP", {.from = a_.client, .to = a_.vip, .type = 0x0806}, kPass, WEFT_FROM_NIC_PASSED_NOT_IP},
          {"version 5", {.from = a_.client, .to = a_.vip, .version = 5}, TC_ACT_SHOT, WEFT_FROM_NIC_DROPPED_MALFORMED},
          {"a request cut short",
           {.from = a_.client,
            .to = a_.vip,
            .payload = {},
            .cut = packet_of({.from = a_.client, .to = a_.vip, .payload = {}}).size() + 14 - 5},
           TC_ACT_SHOT,
           WEFT_FROM_NIC_DROPPED_MALFORMED}});
}

TEST_P(NicAndHost, FromNicBringsFragmentsToWorkers) {
  const bool is_ipv6 = a_.icmp == kIcmpv6;
  Packet fragment{.from = a_.client, .to = a_.vip, .fragment = 0x0008};
  if (is_ipv6) {
    fragment.extensions = {44};
  }
  expect(Program::from_nic, {{"of a request", fragment, TC_ACT_REDIRECT, WEFT_FROM_NIC_REDIRECTED_FRAGMENT}});
  fragment.from = a_.other;
  fragment.to = a_.pod;
  expect(Program::from_nic, {{"of a reply", fragment, TC_ACT_REDIRECT, WEFT_FROM_NIC_REDIRECTED_FRAGMENT}});
  fragment.from = a_.nobody;
  expect(Program::from_nic, {{"of neither", fragment, kPass, WEFT_FROM_NIC_PASSED}});
}

TEST_P(NicAndHost, FromNicBringsARoutersErrorAboutARequestToItsClientsWorker) {
  const Frame quoted = packet_of({.from = a_.pod, .to = a_.other, .to_port = 8080});
  const Frame other = packet_of({.from = a_.pod, .to = a_.client});
  const uint8_t too_big = a_.icmp == kIcmp ? 3 : 2;
  const Packet error{.from = a_.nobody, .to = a_.pod, .protocol = a_.icmp, .icmp_type = too_big, .payload = quoted};
  Packet cut = error;
  cut.payload.resize(a_.icmp == kIcmp ? 19 : 39);
  Packet echo = error;
  echo.icmp_type = a_.echo;
  expect(Program::from_nic,
         {{"about a request", error, TC_ACT_REDIRECT, WEFT_FROM_NIC_REDIRECTED_ERROR},
          {"about another packet",
           {.from = a_.nobody, .to = a_.pod, .protocol = a_.icmp, .icmp_type = too_big, .payload = other},
           kPass,
           WEFT_FROM_NIC_PASSED},
          {"that quotes too little", cut, kPass, WEFT_FROM_NIC_PASSED},
          {"no error", echo, kPass, WEFT_FROM_NIC_PASSED}});
  expect(Program::from_pod, {{"a pod is no router", error, kPass, WEFT_FROM_POD_PASSED}});
  constexpr uint32_t kWorkers = 7;
  ASSERT_TRUE(loader_->set_settings({.workers = kWorkers, .mtu = 1500}));
  leave_only(weft_worker_of(weft_address_hash(ip(a_.pod)), kWorkers));
  expect(Program::from_nic, {{"to its worker", error, TC_ACT_REDIRECT, WEFT_FROM_NIC_REDIRECTED_ERROR}});
}

TEST_P(NicAndHost, FromNicLeavesOthersFramesAlone) {
  Frame frame = frame_of({.from = a_.client, .to = a_.vip});
  frame[0] = 2;  // not to `lo`
  expect(run(Program::from_nic, frame), kPass, WEFT_FROM_NIC_PASSED, frame);
}

TEST_P(NicAndHost, FromNicWithoutWorkers) {
  const Packet request{.from = a_.client, .to = a_.vip};
  const Packet reply{.from = a_.other, .to = a_.pod, .from_port = 8080};
  leave_only(1);
  expect(Program::from_nic, {{"request", request, TC_ACT_SHOT, WEFT_FROM_NIC_DROPPED_NO_WORKER},
                             {"reply", reply, TC_ACT_SHOT, WEFT_FROM_NIC_DROPPED_NO_WORKER}});
  set_workers(0);
  expect(Program::from_nic, {{"request", request, kPass, WEFT_FROM_NIC_PASSED_OFF}});
}

TEST_P(NicAndHost, FromNicDropsWhatTheWorkersInterfacesWould) {
  Packet packet{.from = a_.client, .to = a_.vip};
  packet.payload.resize(1500);
  expect(Program::from_nic, {{"too long", packet, TC_ACT_SHOT, WEFT_FROM_NIC_DROPPED_TOO_LONG}});
  packet.to = a_.pod;
  expect(Program::from_nic, {{"not the mesh's", packet, kPass, WEFT_FROM_NIC_PASSED}});
}

TEST_P(NicAndHost, FromHostSendsRequestsToTheirWorkers) {
  const Packet request{.from = a_.nobody, .to = a_.vip};
  // kInterface is where the program runs: its own worker's packets stay.
  expect(Program::from_host, {{"its own", request, kPass, WEFT_FROM_HOST_REDIRECTED_REQUEST}});
  ASSERT_TRUE(loader_->set_worker(0, kOtherInterface));
  Packet fragment = request;
  fragment.fragment = 8;
  if (a_.icmp == kIcmpv6) {
    fragment.extensions = {44};
  }
  expect(Program::from_host,
         {{"another's", request, TC_ACT_REDIRECT, WEFT_FROM_HOST_REDIRECTED_REQUEST},
          {"a fragment", fragment, TC_ACT_REDIRECT, WEFT_FROM_HOST_REDIRECTED_FRAGMENT},
          {"an ICMP error",
           {.from = a_.nobody, .to = a_.vip, .protocol = a_.icmp, .icmp_type = 3},
           TC_ACT_REDIRECT,
           WEFT_FROM_HOST_REDIRECTED_ERROR},
          {"no VIP: it would come back for ever",
           {.from = a_.nobody, .to = a_.client},
           TC_ACT_SHOT,
           WEFT_FROM_HOST_DROPPED_NOT_MESH},
          {"from an endpoint to no VIP",
           {.from = a_.pod, .to = a_.client, .from_port = 8080},
           TC_ACT_SHOT,
           WEFT_FROM_HOST_DROPPED_NOT_MESH},
          {"ARP", {.from = a_.nobody, .to = a_.vip, .type = 0x0806}, TC_ACT_SHOT, WEFT_FROM_HOST_DROPPED_NOT_MESH},
          {"version 5", {.from = a_.nobody, .to = a_.vip, .version = 5}, TC_ACT_SHOT, WEFT_FROM_HOST_DROPPED_MALFORMED},
          {"cut short",
           {.from = a_.nobody,
            .to = a_.vip,
            .payload = {},
            .cut = packet_of({.from = a_.nobody, .to = a_.vip, .payload = {}}).size() + 14 - 5},
           TC_ACT_SHOT,
           WEFT_FROM_HOST_DROPPED_MALFORMED}});
  leave_only(1);
  expect(Program::from_host, {{"no worker", request, TC_ACT_SHOT, WEFT_FROM_HOST_DROPPED_NO_WORKER}});
  set_workers(0);
  expect(Program::from_host, {{"off", request, TC_ACT_SHOT, WEFT_FROM_HOST_DROPPED_NO_WORKER}});
}

TEST_P(NicAndHost, FromHostLeavesAloneWhatAnotherProgramSteered) {
  const Frame reply = frame_of({.from = a_.pod, .to = a_.client, .from_port = 8080});
  const Outcome outcome = run(Program::from_host, reply, 0, WEFT_STEERED_MARK);
  EXPECT_EQ(outcome.verdict, kPass);
  EXPECT_EQ(outcome.counted, Counters{}) << "it has been counted";
  EXPECT_EQ(outcome.frame, reply);
}

}  // namespace
}  // namespace weft::bpf
