// SPDX-License-Identifier: Apache-2.0
/// @file Pods in real namespaces: attached, detached, taken over after a crash, and nothing left behind.
#include <gmock/gmock.h>
#include <net/if.h>

#include <thread>

#include "bpf/tc.h"
#include "pods_bed.h"

namespace weft::pods {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kPins = "/sys/fs/bpf/weft";

TEST_F(PodsTest, LeavesTheMachineAsItWasFound) {
  ASSERT_TRUE(pods_->attach_netns("red"));
  ASSERT_TRUE(pods_->attach_interface("veth-blue"));
  ASSERT_TRUE(steer(*pods_, {ip("10.96.0.1")}, {}));
  EXPECT_NE(state(), before_);
  const auto stopped = pods_->stop();
  EXPECT_TRUE(stopped) << stopped.error();
  pods_.reset();
  EXPECT_EQ(state(), before_);
}

TEST_F(PodsTest, WorkersGetAVethPairEach) {
  ASSERT_THAT(pods_->workers(), SizeIs(2));
  for (uint32_t worker = 0; worker < 2; ++worker) {
    const auto& [kernel, afxdp] = pods_->workers()[worker];
    EXPECT_EQ(kernel.name, "weft" + std::to_string(worker));
    EXPECT_EQ(afxdp.name, "weft" + std::to_string(worker) + "x");
    for (const VethEnd& end : {kernel, afxdp}) {
      EXPECT_EQ(if_nametoindex(end.name.c_str()), end.ifindex);
      EXPECT_THAT(output_of("cat /sys/class/net/" + end.name + "/address"), HasSubstr(to_string(end.mac)));
      EXPECT_THAT(output_of("ip link show " + end.name),
                  AllOf(HasSubstr("UP"), HasSubstr("NOARP"), HasSubstr("mtu 1500")));
      EXPECT_THAT(output_of("ip -6 address show " + end.name), Not(HasSubstr("inet6")));
      EXPECT_THAT(output_of("ethtool -k " + end.name),
                  AllOf(HasSubstr("tx-checksum-ip-generic: off"), HasSubstr("generic-segmentation-offload: off"),
                        HasSubstr("tx-tcp-segmentation: off"), HasSubstr("tx-udp-segmentation: off"),
                        HasSubstr("generic-receive-offload: off")));
    }
    EXPECT_TRUE(bpf::has_filter(kernel.ifindex));
  }
}

TEST_F(PodsTest, AttachesByNamespaceAndByInterfaceAlike) {
  const auto red = pods_->attach_netns("/run/netns/red");
  ASSERT_TRUE(red) << red.error();
  ASSERT_THAT(*red, SizeIs(1));
  const auto blue = pods_->attach_interface("veth-blue");
  ASSERT_TRUE(blue) << blue.error();
  EXPECT_EQ(red->front().netns, "red");
  EXPECT_EQ(red->front().interface, "veth-red");
  EXPECT_EQ(red->front().ifindex, if_nametoindex("veth-red"));
  EXPECT_EQ(blue->netns, "blue");
  EXPECT_EQ(blue->pod_interface, "eth0");
  EXPECT_THAT(blue->addresses, ElementsAre(ip("10.1.0.3")));
  EXPECT_THAT(output_of("ip -n blue link show eth0"), HasSubstr(to_string(blue->mac)));
  EXPECT_THAT(output_of("ip link show veth-blue"), HasSubstr(to_string(blue->host_mac)));
  const std::vector<Pod> all = pods_->list();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].interface, "veth-blue");
  EXPECT_EQ(all[1].interface, "veth-red");
}

TEST_F(PodsTest, FindsANamespaceThatOnlyAProcessHolds) {
  sh("ip netns exec red sleep 60 & echo $! > /run/netns/pid; until [ $(readlink /proc/$(cat /run/netns/pid)/ns/net) = "
     "net:[$(stat -L -c %i /run/netns/red)] ]; do :; done; ip netns delete red");
  const std::string pid = std::to_string(std::stoi(output_of("cat /run/netns/pid; rm /run/netns/pid")));
  const auto pod = pods_->attach_interface("veth-red");
  EXPECT_TRUE(pod) << pod.error();
  if (pod) {
    EXPECT_EQ(pod->netns, "/proc/" + pid + "/ns/net");
    EXPECT_TRUE(pods_->attach_netns(pod->netns));
    EXPECT_TRUE(pods_->detach(pod->netns));
  }
  sh("kill " + pid);
}

TEST_F(PodsTest, AttachingAgainRefreshesAddresses) {
  ASSERT_TRUE(pods_->attach_netns("red"));
  sh("ip -n red address add 10.1.0.9/32 dev eth0 && ip -n red address delete 10.1.0.2/32 dev eth0");
  const auto again = pods_->attach_netns("red");
  ASSERT_TRUE(again) << again.error();
  ASSERT_THAT(pods_->list(), SizeIs(1));
  EXPECT_THAT(pods_->list()[0].addresses, ElementsAre(ip("10.1.0.9")));
  EXPECT_THAT(output_of("bpftool map dump pinned /sys/fs/bpf/weft/v2/sources | grep -c key"), HasSubstr("1"));
  EXPECT_THAT(output_of("tc filter show dev veth-red ingress | grep -c from_pod"), HasSubstr("1"));
}

TEST_F(PodsTest, TheMapsHoldWhatIsSteeredBy) {
  const auto count = [](const std::string& map) {
    return std::stoi(
        output_of("bpftool -j map dump pinned " + std::string(kPins) + "/v2/" + map + " | grep -o formatted | wc -l"));
  };
  const Endpoint web{ip("10.1.0.2"), lb::port_from_host(80), lb::Protocol::tcp};
  const Endpoint dns{ip("10.1.0.2"), lb::port_from_host(53), lb::Protocol::udp};
  ASSERT_TRUE(steer(*pods_, {ip("10.96.0.1"), ip("10.96.0.2"), ip("10.96.0.2")}, {web}));
  EXPECT_EQ(count("vips"), 2);
  EXPECT_EQ(count("endpoints"), 2) << "and one for its address alone";
  ASSERT_TRUE(steer(*pods_, {ip("10.96.0.3")}, {dns, web}));
  EXPECT_EQ(count("vips"), 1);
  EXPECT_EQ(count("endpoints"), 3);
  ASSERT_TRUE(steer(*pods_, std::vector<lb::Address>(1), std::vector<Endpoint>(1))) << "equal ones count once";
  EXPECT_EQ(count("vips"), 1);
  EXPECT_EQ(count("endpoints"), 1);
}

TEST_F(PodsTest, AFullMapTakesWhatIsLeftOnceThereIsRoom) {
  Steered fill;
  for (uint32_t i = 0; i < 2 * WEFT_MAX_VIPS; ++i) {
    fill.vips.push_back(lb::address_from_host(i));
  }
  ASSERT_TRUE(pods_->add(fill));
  const Endpoint web{ip("10.1.0.2"), lb::port_from_host(80), lb::Protocol::tcp};
  const Steered more{.vips = {ip("10.96.0.1"), ip("10.96.0.2")}, .endpoints = {web}, .direct = {}};
  EXPECT_THAT(error_of(pods_->add(more)), HasSubstr("map `vips` is full"));
  EXPECT_THAT(pods_->steered().endpoints, ElementsAre(web)) << "what has room is there";
  ASSERT_TRUE(pods_->erase({.vips = {lb::address_from_host(0)}, .endpoints = {}, .direct = {}}));
  EXPECT_FALSE(pods_->add(more));
  ASSERT_TRUE(pods_->erase({.vips = {lb::address_from_host(1)}, .endpoints = {}, .direct = {}}));
  EXPECT_TRUE(pods_->add(more));
  EXPECT_THAT(pods_->steered().vips, SizeIs(2 * WEFT_MAX_VIPS));
}

TEST_F(PodsTest, AForeignFilterSurvives) {
  sh("tc qdisc add dev veth-red clsact && tc filter add dev veth-red ingress prio 7 u32 match u32 0 0 flowid 1:1");
  ASSERT_TRUE(pods_->attach_netns("red"));
  ASSERT_TRUE(pods_->attach_netns("blue"));
  sh("tc filter add dev veth-blue egress prio 7 u32 match u32 0 0 flowid 1:1");  // on the qdisc that weft made
  ASSERT_TRUE(pods_->detach("red"));
  ASSERT_TRUE(pods_->detach("veth-blue"));
  EXPECT_THAT(output_of("tc filter show dev veth-red ingress"), AllOf(HasSubstr("u32"), Not(HasSubstr("from_pod"))));
  EXPECT_THAT(output_of("tc filter show dev veth-blue egress"), HasSubstr("u32"));
  EXPECT_THAT(output_of("tc filter show dev veth-blue ingress"), IsEmpty());
}

TEST_F(PodsTest, AnEmptyClsactOfOthersSurvivesAndOursGoes) {
  sh("tc qdisc add dev veth-red clsact");
  ASSERT_TRUE(pods_->attach_netns("red"));
  ASSERT_TRUE(pods_->attach_netns("red")) << "by now the qdisc exists in any case";
  ASSERT_TRUE(pods_->attach_netns("blue"));
  ASSERT_TRUE(pods_->attach_netns("blue"));
  ASSERT_TRUE(pods_->detach("red"));
  ASSERT_TRUE(pods_->detach("blue"));
  EXPECT_THAT(output_of("tc qdisc show dev veth-red"), HasSubstr("clsact"));
  EXPECT_THAT(output_of("tc qdisc show dev veth-blue"), Not(HasSubstr("clsact")));
}

TEST_F(PodsTest, AFilterThatAnotherRemovedComesBack) {
  ASSERT_TRUE(pods_->attach_netns("red"));
  sh("tc qdisc delete dev veth-red clsact");
  EXPECT_THAT(pods_->list(), SizeIs(1));
  EXPECT_TRUE(bpf::has_filter(if_nametoindex("veth-red")));
}

TEST_F(PodsTest, APodThatIsGoneIsForgotten) {
  ASSERT_TRUE(pods_->attach_netns("red"));
  ASSERT_TRUE(pods_->attach_netns("blue"));
  sh("ip netns delete red");
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (pods_->list().size() != 1 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  ASSERT_THAT(pods_->list(), SizeIs(1));
  EXPECT_EQ(pods_->list()[0].netns, "blue");
  make_pod("red", "10.1.0.2");
  EXPECT_TRUE(pods_->attach_netns("red")) << "its address is free again";
}

TEST_F(PodsTest, ACrashedWeftdsPodsAreTakenOver) {
  pods_.reset();
  make_pod("green", "10.1.0.4");
  const std::string clean = state();
  crash_after([](Pods& doomed) {
    for (const char* pod : {"red", "blue", "green"}) {
      std::ignore = doomed.attach_netns(pod);
    }
    std::ignore = steer(doomed, {ip("10.96.0.1")}, {{ip("10.1.0.3"), lb::port_from_host(80), lb::Protocol::tcp}});
  });
  EXPECT_TRUE(bpf::has_filter(if_nametoindex("veth-red")));
  const uint32_t old_worker = if_nametoindex("weft0");
  EXPECT_NE(old_worker, 0U);
  sh("ip link delete veth-green && ip netns delete green");
  sh("ip -n red address add 10.1.0.66/32 dev eth0");

  start(1);
  const std::vector<Pod> pods = pods_->list();
  ASSERT_THAT(pods, SizeIs(2));
  EXPECT_EQ(pods[0].netns, "blue");
  EXPECT_EQ(pods[1].netns, "red");
  EXPECT_EQ(pods[1].interface, "veth-red");
  EXPECT_EQ(pods[1].pod_interface, "eth0");
  EXPECT_THAT(output_of("ip -n red link show eth0"), HasSubstr(to_string(pods[1].mac)));
  EXPECT_THAT(pods[1].addresses, ElementsAre(ip("10.1.0.2"))) << "what it gave itself meanwhile is not its own";
  EXPECT_NE(if_nametoindex("weft0"), old_worker);
  EXPECT_EQ(if_nametoindex("weft1"), 0U) << "the new weftd has one worker";
  EXPECT_THAT(output_of("bpftool map dump pinned /sys/fs/bpf/weft/v2/pods | grep -c ifindex"), HasSubstr("2"));

  const Fd client = udp_socket("red", "10.1.0.2", 40000);
  const Fd xdp = packet_socket(pods_->workers()[0].afxdp.ifindex);
  send_to(client, "10.96.0.1", 80, "the VIP is still known");
  EXPECT_THAT(receive(xdp), HasSubstr("the VIP is still known"));

  ASSERT_TRUE(pods_->stop());
  pods_.reset();
  make_pod("green", "10.1.0.4");
  EXPECT_THAT(output_of("tc qdisc show dev veth-red"), Not(HasSubstr("clsact"))) << "it knows that the first made it";
  EXPECT_EQ(state(), clean);
}

TEST_F(PodsTest, MeshTrafficNeverFallsBackToTheKernel) {
  crash_after([](Pods& doomed) {
    std::ignore = doomed.attach_netns("red");
    std::ignore = steer(doomed, {ip("10.96.0.1")}, {});
  });
  sh("ip link delete weft0; ip link delete weft1");
  const Fd client = udp_socket("red", "10.1.0.2", 40000);
  send_to(client, "10.96.0.1", 80, "nobody's");
  start();
  EXPECT_TRUE(reaches(WEFT_FROM_POD_REDIRECTED_REQUEST, 1)) << "into the void; counters go on over a restart";
  EXPECT_EQ(counted(WEFT_FROM_POD_PASSED) + counted(WEFT_FROM_POD_PASSED_OFF), 0U);
}

TEST_F(PodsTest, ErrorsAreSentencesThatSayWhatToDo) {
  sh("ip netns add bare && ip link add lonely type veth peer name lonelier && ip netns add silent && "
     "ip link add veth-silent type veth peer name eth0 netns silent && touch /run/netns/file");
  EXPECT_THAT(error_of(pods_->attach_netns("no-such")),
              AllOf(HasSubstr("/run/netns/no-such"), HasSubstr("No such file")));
  EXPECT_THAT(error_of(pods_->attach_netns("file")), HasSubstr("is not a network namespace"));
  EXPECT_THAT(error_of(pods_->attach_netns("../x")), HasSubstr("names no network namespace"));
  EXPECT_THAT(error_of(pods_->attach_netns("")), HasSubstr("names no network namespace"));
  EXPECT_THAT(error_of(pods_->attach_netns("bare")), HasSubstr("has no veth that leads here"));
  EXPECT_THAT(error_of(pods_->attach_netns("silent")), HasSubstr("no address on eth0"));
  EXPECT_THAT(error_of(pods_->attach_interface("no-such")), HasSubstr("no interface no-such"));
  EXPECT_THAT(error_of(pods_->attach_interface("lo")), HasSubstr("no veth"));
  EXPECT_THAT(error_of(pods_->attach_interface("lonely")), HasSubstr("its other end is here"));
  EXPECT_THAT(error_of(pods_->attach_interface("weft0")), HasSubstr("its other end is here"));
  EXPECT_THAT(error_of(pods_->detach("red")), HasSubstr("no pod `red` is attached"));
  ASSERT_TRUE(steer(*pods_, {ip("10.1.0.2")}, {}));
  EXPECT_THAT(error_of(pods_->attach_netns("red")), HasSubstr("is a VIP"));
  EXPECT_THAT(pods_->list(), IsEmpty());
  sh("rm /run/netns/file; ip link delete lonely");
}

TEST_F(PodsTest, APodWithALargerMtuThanTheWorkersIsRefused) {
  sh("ip link set veth-red mtu 1600 && ip -n red link set eth0 mtu 1600");
  EXPECT_THAT(error_of(pods_->attach_netns("red")), AllOf(HasSubstr("1600"), HasSubstr("raise pods.mtu")));
  EXPECT_THAT(pods_->list(), IsEmpty());
  sh("ip -n red link set eth0 mtu 1500");
  EXPECT_TRUE(pods_->attach_netns("red"));
}

TEST_F(PodsTest, AnotherKindOfFilterInTheWayIsNamed) {
  sh("tc qdisc add dev veth-red clsact && tc filter add dev veth-red ingress prio 100 u32 match u32 0 0 flowid 1:1");
  EXPECT_THAT(error_of(pods_->attach_netns("red")), AllOf(HasSubstr("veth-red"), HasSubstr("priority 100")));
  EXPECT_THAT(pods_->list(), IsEmpty());
  EXPECT_THAT(output_of("bpftool -j map dump pinned /sys/fs/bpf/weft/v2/sources"), HasSubstr("[]"));
}

TEST(PodsStart, RefusesWhatItCannotServe) {
  EXPECT_THAT(error_of(Pods::start({.workers = 0})), AllOf(HasSubstr("pods.workers"), HasSubstr("1 to 16")));
  EXPECT_THAT(error_of(Pods::start({.workers = 17})), HasSubstr("pods.workers is 17"));
  EXPECT_THAT(error_of(Pods::start({.prefix = "we/ft"})), HasSubstr("pods.prefix"));
  EXPECT_THAT(error_of(Pods::start({.prefix = "thirteen-long"})), HasSubstr("1 to 12"));
  EXPECT_THAT(error_of(Pods::start({.mtu = 9000})), AllOf(HasSubstr("pods.mtu"), HasSubstr("1778")));
  EXPECT_THAT(error_of(Pods::start({.pin_dir = "/run/weft"})), HasSubstr("mount -t bpf bpf /sys/fs/bpf"));
}

TEST(PodsStart, LeavesAnInterfaceOfTheSameNameAlone) {
  sh("ip link add weft0 type veth peer name other");
  EXPECT_THAT(error_of(Pods::start({})), AllOf(HasSubstr("weft0 exists"), HasSubstr("another prefix")));
  EXPECT_NE(if_nametoindex("weft0"), 0U);
  EXPECT_FALSE(std::filesystem::exists(kPins)) << "a start that failed leaves nothing";
  sh("ip link delete weft0");
}

}  // namespace
}  // namespace weft::pods
