// SPDX-License-Identifier: Apache-2.0
/// @file What is not a pod's: NICs that stay with the kernel, the host's own processes, and the workers' own
/// interfaces.
#include <gmock/gmock.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <set>
#include <tuple>

#include "bpf/tc.h"
#include "pods/entries.h"
#include "pods_bed.h"

namespace weft::pods {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// Addresses and ports swapped, as weft answers: the checksums stay right. Precondition: UDP without options.
std::string answer_to(std::string frame) {
  const bool is_ipv6 = frame[14] >> 4 == 6;
  const auto swap = [&frame](std::ptrdiff_t first, std::ptrdiff_t length) {
    std::swap_ranges(frame.begin() + first, frame.begin() + first + length, frame.begin() + first + length);
  };
  swap(is_ipv6 ? 22 : 26, is_ipv6 ? 16 : 4);
  swap(is_ipv6 ? 54 : 34, 2);
  return frame;
}

TEST_F(PodsTest, NicsAreAttachedTakenOverAndForgotten) {
  pods_.reset();
  sh("ip netns add outside && ip link add nic0 type veth peer name eth0 netns outside && ip link set nic0 up && "
     "ip link add nic1 type veth peer name eth1 netns outside");
  const std::string clean = state();
  crash_after([](Pods& doomed) {
    std::ignore = doomed.attach_nic("nic1");
    std::ignore = doomed.attach_nic("nic0");
    std::ignore = doomed.attach_nic("nic0");
  });
  EXPECT_TRUE(bpf::has_filter(if_nametoindex("nic0")));
  sh("ip link delete nic1");
  start(1);
  ASSERT_THAT(pods_->list_nics(), SizeIs(1));
  EXPECT_EQ(pods_->list_nics()[0].interface, "nic0");
  sh("tc qdisc delete dev nic0 clsact");
  EXPECT_THAT(pods_->list_nics(), SizeIs(1));
  EXPECT_TRUE(bpf::has_filter(if_nametoindex("nic0"))) << "it comes back";
  ASSERT_TRUE(pods_->stop());
  pods_.reset();
  sh("ip link add nic1 type veth peer name eth1 netns outside");
  EXPECT_EQ(state(), clean);
}

TEST_F(PodsTest, WhatIsNoNicIsRefused) {
  ASSERT_TRUE(pods_->attach_netns("red"));
  EXPECT_THAT(error_of(pods_->attach_nic("no-such")), HasSubstr("no interface no-such"));
  EXPECT_THAT(error_of(pods_->attach_nic("lo")), HasSubstr("no Ethernet interface"));
  EXPECT_THAT(error_of(pods_->attach_nic("weft1x")), HasSubstr("weft's own"));
  EXPECT_THAT(error_of(pods_->attach_nic("veth-red")), HasSubstr("attached as a pod's"));
  EXPECT_THAT(error_of(pods_->detach_nic("veth-red")), HasSubstr("no NIC `veth-red`"));
  EXPECT_THAT(pods_->list_nics(), IsEmpty());
  EXPECT_THAT(output_of("tc filter show dev veth-red ingress"), HasSubstr("from_pod"));
  // And the other way round.
  ASSERT_TRUE(pods_->attach_nic("veth-blue"));
  EXPECT_THAT(error_of(pods_->attach_netns("blue")), HasSubstr("attached as a NIC"));
  EXPECT_THAT(output_of("tc filter show dev veth-blue ingress"), HasSubstr("from_nic"));
}

TEST_F(PodsTest, RequestsAndRepliesOfBothFamiliesComeThroughANic) {
  add_ipv6("blue", "fd00:1::3");
  ASSERT_TRUE(pods_->attach_nic("veth-blue"));
  ASSERT_TRUE(steer(*pods_, {ip("10.96.0.1"), ip("fd00:96::1")},
                    {{ip("10.1.0.3"), lb::port_from_host(8080), lb::Protocol::udp},
                     {ip("fd00:1::3"), lb::port_from_host(8080), lb::Protocol::udp}}));
  uint64_t requests = 0;
  for (const auto& [from, vip, client] :
       {std::tuple{"10.1.0.3", "10.96.0.1", "10.9.0.1"}, std::tuple{"fd00:1::3", "fd00:96::1", "fd00:9::1"}}) {
    const Fd xdp = packet_socket(owner_of(from, 40000).afxdp.ifindex);
    const Fd outside = udp_socket("blue", from, 40000);
    send_to(outside, vip, 80, "request");
    const std::string frame = receive(xdp);
    EXPECT_THAT(frame, HasSubstr("request"));
    const std::string answer = answer_to(frame);
    ASSERT_GT(send(xdp.get(), answer.data(), answer.size(), 0), 0);
    EXPECT_EQ(receive(outside), "request") << "by the kernel's routing";
    EXPECT_TRUE(reaches(WEFT_FROM_NIC_REDIRECTED_REQUEST, ++requests));

    const Fd owner = packet_socket(owner_of(client, 50000).afxdp.ifindex);
    const Fd endpoint = udp_socket("blue", from, 8080);
    send_to(endpoint, client, 50000, "reply");
    EXPECT_THAT(receive(owner), HasSubstr("reply"));
    EXPECT_TRUE(reaches(WEFT_FROM_NIC_REDIRECTED_REPLY, requests));
  }
}

TEST_F(PodsTest, FragmentsOfAnEndpointReachAWorker) {
  ASSERT_TRUE(pods_->attach_netns("red"));
  ASSERT_TRUE(steer(*pods_, {}, {{ip("10.1.0.2"), lb::port_from_host(8080), lb::Protocol::udp}}));
  const Fd endpoint = udp_socket("red", "10.1.0.2", 8080);
  const int discover = IP_PMTUDISC_DONT;
  ASSERT_EQ(setsockopt(endpoint.get(), IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof discover), 0);
  const uint32_t owner = weft_worker_of(weft_address_hash(key_of(ip("10.9.0.1"))), 2);
  const Fd xdp = packet_socket(pods_->workers()[owner].afxdp.ifindex);
  send_to(endpoint, "10.9.0.1", 50000, std::string(3000, 'x'));
  EXPECT_TRUE(reaches(WEFT_FROM_POD_REDIRECTED_FRAGMENT, 3));
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(receive(xdp), HasSubstr("xxx"));
  }
}

/// With routes to VIPs for the host's own processes.
class HostTest : public PodsTest {
 protected:
  void SetUp() override {
    PodsTest::SetUp();
    pods_.reset();
    sh("ip link set lo up; ip address add 10.1.0.1/32 dev veth-red; ip address add fd00:1::1/128 dev veth-red nodad");
    auto started = Pods::start(
        {.workers = 3,
         .host_routes = {lb::parse_prefix("10.96.0.0/16").value(), lb::parse_prefix("fd00:96::/64").value()}});
    ASSERT_TRUE(started) << started.error();
    pods_ = std::move(*started);
    ASSERT_TRUE(steer(*pods_, {ip("10.96.0.1"), ip("fd00:96::1")}, {}));
  }
};

TEST_F(HostTest, ProcessesOfTheHostReachEveryWorkerAndAreAnswered) {
  uint64_t count = 0;
  for (const auto& [own, vip] : {std::pair{"10.1.0.1", "10.96.0.1"}, std::pair{"fd00:1::1", "fd00:96::1"}}) {
    std::set<std::string> owners;
    for (uint16_t port = 40000; port < 40012; ++port) {
      const WorkerVeth& owner = owner_of(own, port);
      owners.insert(owner.kernel.name);
      const Fd xdp = packet_socket(owner.afxdp.ifindex);
      const Fd client = udp_socket_here(own, port);
      send_to(client, vip, 80, "from the host");
      const std::string frame = receive(xdp);
      ASSERT_THAT(frame, HasSubstr("from the host")) << owner.kernel.name;
      if (frame[14] >> 4 == 4) {
        EXPECT_TRUE(checksum_is_right(frame)) << "veth must complete it";
      }
      const std::string answer = answer_to(frame);
      ASSERT_GT(send(xdp.get(), answer.data(), answer.size(), 0), 0);
      EXPECT_EQ(receive(client), "from the host") << owner.kernel.name;
      EXPECT_TRUE(reaches(WEFT_FROM_HOST_REDIRECTED_REQUEST, ++count));
    }
    EXPECT_THAT(owners, SizeIs(3));
  }
}

TEST_F(HostTest, APodsPacketsForTheFirstWorkerAreCountedOnce) {
  ASSERT_TRUE(pods_->attach_netns("red"));
  const Fd xdp = packet_socket(pods_->workers()[0].afxdp.ifindex);
  uint16_t port = 40000;
  while (owner_of("10.1.0.2", port).kernel.name != "weft0") {
    ++port;
  }
  send_to(udp_socket("red", "10.1.0.2", port), "10.96.0.1", 80, "from a pod");
  EXPECT_THAT(receive(xdp), HasSubstr("from a pod"));
  EXPECT_TRUE(reaches(WEFT_FROM_POD_REDIRECTED_REQUEST, 1));
  EXPECT_EQ(counted(WEFT_FROM_HOST_REDIRECTED_REQUEST), 0U);
}

TEST_F(HostTest, WhatIsNoVipDoesNotGoInACircle) {
  const uint64_t before = counted(WEFT_FROM_HOST_DROPPED_NOT_MESH);
  const Fd client = udp_socket_here("10.1.0.1", 40000);
  std::ignore = try_to_send(client, "10.96.0.99", 80, "x");
  EXPECT_TRUE(reaches(WEFT_FROM_HOST_DROPPED_NOT_MESH, before + 1));
}

TEST_F(HostTest, RoutesGoWithWeft) {
  EXPECT_THAT(output_of("ip route"), HasSubstr("10.96.0.0/16 dev weft0"));
  EXPECT_THAT(output_of("ip -6 route"), HasSubstr("fd00:96::/64 dev weft0"));
  ASSERT_TRUE(pods_->stop());
  EXPECT_THAT(output_of("ip route; ip -6 route"), Not(AnyOf(HasSubstr("10.96.0.0/16"), HasSubstr("fd00:96::"))));
}

// As where weft is to forward IPv6: an interface that forwards joins the groups of routers, and reports them.
TEST_F(PodsTest, WorkersInterfacesAreNotPartOfMulticast) {
  sh("sysctl -qw net.ipv6.conf.all.forwarding=1");
  start();
  for (const WorkerVeth& worker : pods_->workers()) {
    EXPECT_THAT(output_of("ip link show " + worker.kernel.name), Not(HasSubstr("MULTICAST")));
    EXPECT_THAT(output_of("ip -6 maddress show dev " + worker.kernel.name),
                Not(AnyOf(HasSubstr("ff02::2"), HasSubstr("ff05::2"))));
    EXPECT_THAT(output_of("cat /proc/sys/net/ipv6/conf/" + worker.kernel.name + "/forwarding"), HasSubstr("1"));
  }
}

TEST_F(PodsTest, OnePrefixForOneWeftd) {
  const auto second = Pods::start({.pin_dir = "/sys/fs/bpf/second"});
  EXPECT_THAT(error_of(second), AllOf(HasSubstr("the prefix `weft`"), HasSubstr("pods.prefix")));
  EXPECT_FALSE(std::filesystem::exists("/sys/fs/bpf/second"));
  EXPECT_TRUE(bpf::has_filter(pods_->workers()[0].kernel.ifindex)) << "the first goes on";
  {
    const auto other = Pods::start({.prefix = "other", .pin_dir = "/sys/fs/bpf/second"});
    EXPECT_TRUE(other) << error_of(other);
  }
  pods_.reset();
  EXPECT_TRUE(Pods::start({.pin_dir = "/sys/fs/bpf/second"})) << "it is free again";
}

TEST_F(PodsTest, AWorkersLostInterfaceIsNoticedAndItsTrafficCounted) {
  ASSERT_TRUE(pods_->attach_netns("red"));
  ASSERT_TRUE(steer(*pods_, {ip("10.96.0.1")}, {}));
  const WorkerVeth& owner = owner_of("10.1.0.2", 40000);
  const size_t worker = owner.kernel.name == "weft0" ? 0 : 1;
  const Fd client = udp_socket("red", "10.1.0.2", 40000);
  pods_->notice_link_changes();
  EXPECT_EQ(pods_->worker_link(worker), WorkerLink::up);

  sh("ip link set " + owner.afxdp.name + " down");
  EXPECT_TRUE(is_readable(pods_->link_events()));
  pods_->notice_link_changes();
  EXPECT_EQ(pods_->worker_link(worker), WorkerLink::down);
  EXPECT_EQ(pods_->worker_link(1 - worker), WorkerLink::up);
  send_to(client, "10.96.0.1", 80, "x");
  EXPECT_TRUE(reaches(WEFT_FROM_POD_DROPPED_NO_WORKER, 1));

  sh("ip link set " + owner.afxdp.name + " up");
  pods_->notice_link_changes();
  EXPECT_EQ(pods_->worker_link(worker), WorkerLink::up);
  send_to(client, "10.96.0.1", 80, "x");
  EXPECT_TRUE(reaches(WEFT_FROM_POD_REDIRECTED_REQUEST, 1));

  sh("ip link delete " + owner.kernel.name);
  pods_->notice_link_changes();
  EXPECT_EQ(pods_->worker_link(worker), WorkerLink::gone);
  send_to(client, "10.96.0.1", 80, "x");
  EXPECT_TRUE(reaches(WEFT_FROM_POD_DROPPED_NO_WORKER, 2));
  EXPECT_TRUE(pods_->stop()) << "in order, whatever is missing";
}

TEST_F(PodsTest, DetachTakesTheFormsOfAttach) {
  for (const bool by_netns : {true, false}) {
    ASSERT_TRUE(pods_->attach_netns("red"));
    EXPECT_THAT(error_of(pods_->detach_netns("veth-red")), HasSubstr("no pod of the network namespace `veth-red`"));
    EXPECT_THAT(error_of(pods_->detach_interface("red")), HasSubstr("no pod behind the interface `red`"));
    EXPECT_TRUE(by_netns ? pods_->detach_netns("/run/netns/red") : pods_->detach_interface("veth-red"));
    EXPECT_THAT(pods_->list(), IsEmpty());
  }
}

TEST_F(PodsTest, AnIpv6PodReachesAWorkerAndIsAnswered) {
  add_ipv6("red", "fd00:1::2");
  ASSERT_TRUE(pods_->attach_netns("red"));
  EXPECT_THAT(pods_->list()[0].addresses, ::testing::ElementsAre(ip("10.1.0.2"), ip("fd00:1::2")))
      << "but not the link-local one";
  ASSERT_TRUE(steer(*pods_, {ip("fd00:96::1")}, {}));
  const Fd client = udp_socket("red", "fd00:1::2", 40000);
  const Fd xdp = packet_socket(owner_of("fd00:1::2", 40000).afxdp.ifindex);
  send_to(client, "fd00:96::1", 80, "to the mesh");
  const std::string frame = receive(xdp);
  EXPECT_THAT(frame, HasSubstr("to the mesh"));
  const std::string answer = answer_to(frame);
  ASSERT_GT(send(xdp.get(), answer.data(), answer.size(), 0), 0);
  EXPECT_EQ(receive(client), "to the mesh");
  EXPECT_TRUE(reaches(WEFT_TO_POD_REDIRECTED, 1));
}

}  // namespace
}  // namespace weft::pods
