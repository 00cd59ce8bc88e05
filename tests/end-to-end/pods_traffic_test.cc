// SPDX-License-Identifier: Apache-2.0
/// @file Packets of real pods, through eBPF to a worker's interface and back.
#include <gmock/gmock.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include "pods_bed.h"

namespace weft::pods {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(PodsTest, RequestsReachTheWorkerWithRightChecksumsAndRepliesThePod) {
  ASSERT_TRUE(pods_->attach_netns("red"));
  ASSERT_TRUE(steer(*pods_, {ip("10.96.0.1")}, {}));
  const Fd client = udp_socket("red", "10.1.0.2", 40000);
  const Fd xdp = packet_socket(owner_of("10.1.0.2", 40000).afxdp.ifindex);

  send_to(client, "10.96.0.1", 80, "to the mesh");
  std::string frame = receive(xdp);
  ASSERT_EQ(frame.size(), 14U + 28 + 11);
  EXPECT_EQ(frame.substr(42), "to the mesh");
  EXPECT_TRUE(checksum_is_right(frame)) << "veth must complete it";
  EXPECT_TRUE(reaches(WEFT_FROM_POD_REDIRECTED_REQUEST, 1));

  // The way back, as weft answers: addresses and ports swapped, which leaves the checksums right; MAC addresses for
  // nobody.
  std::swap_ranges(frame.begin() + 26, frame.begin() + 30, frame.begin() + 30);
  std::swap_ranges(frame.begin() + 34, frame.begin() + 36, frame.begin() + 36);
  std::fill_n(frame.begin(), 12, '\2');
  ASSERT_EQ(send(xdp.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  EXPECT_EQ(receive(client), "to the mesh");
  EXPECT_TRUE(reaches(WEFT_TO_POD_REDIRECTED, 1));
}

TEST_F(PodsTest, LargeSendsReachTheWorkerInSegments) {
  ASSERT_TRUE(pods_->attach_netns("red"));
  ASSERT_TRUE(steer(*pods_, {ip("10.96.0.1")}, {}));
  // UDP's segmentation offload stands for TCP's: one 14000-byte packet leaves the pod, and needs no peer that answers.
  const Fd client = udp_socket("red", "10.1.0.2", 40000);
  const int segment = 1400;
  ASSERT_EQ(setsockopt(client.get(), IPPROTO_UDP, 103 /* UDP_SEGMENT */, &segment, sizeof segment), 0);
  const Fd xdp = packet_socket(owner_of("10.1.0.2", 40000).afxdp.ifindex);
  send_to(client, "10.96.0.1", 80, std::string(14000, 'x'));
  for (int i = 0; i < 10; ++i) {
    const std::string frame = receive(xdp);
    ASSERT_EQ(frame.size(), 14U + 28 + 1400) << "segment " << i;
    EXPECT_TRUE(checksum_is_right(frame));
  }
  EXPECT_TRUE(reaches(WEFT_FROM_POD_REDIRECTED_REQUEST, 1)) << "the program sees it whole";
}

TEST_F(PodsTest, DropsFramesThatEndWithinTheirIpHeader) {
  ASSERT_TRUE(pods_->attach_netns("red"));
  const Fd raw = socket_in("red", AF_PACKET, SOCK_RAW);
  std::string whole(14 + 20, '\0');
  whole[12] = 8;  // IPv4
  whole[14] = 0x45;
  const int index = std::stoi(output_of("ip netns exec red cat /sys/class/net/eth0/ifindex"));
  const sockaddr_ll to{.sll_family = AF_PACKET, .sll_ifindex = index};
  uint64_t dropped = 0;
  for (const size_t length : {15, 24, 33}) {
    ASSERT_GT(sendto(raw.get(), whole.data(), length, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    EXPECT_TRUE(reaches(WEFT_FROM_POD_DROPPED_MALFORMED, ++dropped)) << length;
  }
  const Fd xdp = packet_socket(pods_->workers()[0].afxdp.ifindex);
  ASSERT_GT(send(xdp.get(), whole.data(), 33, 0), 0);
  EXPECT_TRUE(reaches(WEFT_TO_POD_DROPPED_MALFORMED, 1));
}

TEST_F(PodsTest, APodCannotSendFromAnothersAddress) {
  ASSERT_TRUE(pods_->attach_netns("red"));
  ASSERT_TRUE(pods_->attach_netns("blue"));
  ASSERT_TRUE(steer(*pods_, {ip("10.96.0.1")}, {}));
  sh("ip -n red address add 10.1.0.3/32 dev eth0");
  const Fd thief = udp_socket("red", "10.1.0.3", 40000);
  send_to(thief, "10.96.0.1", 80, "x");
  EXPECT_TRUE(reaches(WEFT_FROM_POD_DROPPED_SPOOFED, 1));
  EXPECT_THAT(error_of(pods_->attach_netns("red")), AllOf(HasSubstr("10.1.0.3"), HasSubstr("pod blue")));
  EXPECT_THAT(pods_->list()[1].addresses, ElementsAre(ip("10.1.0.2"))) << "the refused attachment changes nothing";
}

TEST_F(PodsTest, WhatIsNotForALocalPodIsRouted) {
  ASSERT_TRUE(pods_->attach_netns("red"));
  ASSERT_TRUE(steer(*pods_, {ip("10.1.0.3")}, {}));       // so that red's packet comes to a worker
  const Fd there = udp_socket("blue", "10.1.0.3", 9000);  // not attached: the kernel has a route to it
  const Fd from = udp_socket("red", "10.1.0.2", 40000);
  const Fd xdp = packet_socket(owner_of("10.1.0.2", 40000).afxdp.ifindex);
  send_to(from, "10.1.0.3", 9000, "by the kernel");
  std::string frame = receive(xdp);
  ASSERT_FALSE(frame.empty());
  std::fill_n(frame.begin(), 12, '\2');  // as if for another host: the program makes it the kernel's
  ASSERT_GT(send(xdp.get(), frame.data(), frame.size(), 0), 0);
  EXPECT_EQ(receive(there), "by the kernel");
  EXPECT_EQ(counted(WEFT_TO_POD_PASSED), 1U);
}

TEST_F(PodsTest, AWorkerMaySendFromTheNodesOwnAddress) {
  sh("ip address add 10.1.0.1/32 dev veth-red");
  const Fd there = udp_socket("blue", "10.1.0.3", 9000);
  std::string frame(
      "\2\2\2\2\2\2\2\2\2\2\2\2\x08\0E\0\0\x21\0\0\0\0\x40\x11\0\0\x0a\1\0\1\x0a\1\0\3\0\1\x23\x28\0\x0d\0\0proxy",
      14 + 28 + 5);
  const uint16_t checksum = internet_checksum(frame.substr(14, 20), 0);
  frame[24] = static_cast<char>(checksum >> 8);
  frame[25] = static_cast<char>(checksum);
  const Fd xdp = packet_socket(pods_->workers()[0].afxdp.ifindex);
  ASSERT_GT(send(xdp.get(), frame.data(), frame.size(), 0), 0);
  EXPECT_EQ(receive(there), "proxy") << "the kernel takes its own address for spoofed unless told otherwise";
}

}  // namespace
}  // namespace weft::pods
