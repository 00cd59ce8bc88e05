// SPDX-License-Identifier: Apache-2.0
/// @file Direct server return in real namespaces: a tunnel packet from a worker or through a NIC, a pod that has no
/// tunnel device, and its answer, from the VIP, at a client that weft never sees.
#include <gmock/gmock.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include "pods_bed.h"

namespace weft::pods {
namespace {

using ::testing::HasSubstr;

struct End {
  const char* client;
  const char* pod;
  const char* vip;
  const char* sender;  ///< the tunnel's other end
  bool is_ipv6;
};
constexpr End kIpv4 = {"10.1.0.3", "10.1.0.2", "10.96.0.1", "192.0.2.9", false};
constexpr End kIpv6 = {"fd00:1::3", "fd00:1::2", "fd00:96::1", "2001:db8::9", true};

struct Tunnel {
  const char* name;
  const End& outer;
  const End& inner;
  bool gue;
};
constexpr Tunnel kTunnels[] = {
    {"Ipip4in4", kIpv4, kIpv4, false}, {"Ipip6in4", kIpv4, kIpv6, false}, {"Ipip4in6", kIpv6, kIpv4, false},
    {"Ipip6in6", kIpv6, kIpv6, false}, {"Gue4in4", kIpv4, kIpv4, true},   {"Gue6in4", kIpv4, kIpv6, true},
    {"Gue4in6", kIpv6, kIpv4, true},   {"Gue6in6", kIpv6, kIpv6, true},
};

std::string be16(size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string bytes_of(const lb::Address& address) {
  const std::string mapped(address.ipv6().bytes.begin(), address.ipv6().bytes.end());
  return address.is_ipv4() ? mapped.substr(12) : mapped;
}

/// The IP packet around a payload, with its checksum.
std::string ip_packet(const char* from, const char* to, uint8_t protocol, const std::string& payload) {
  const std::string addresses = bytes_of(ip(from)) + bytes_of(ip(to));
  if (!ip(to).is_ipv4()) {
    return std::string("\x60\0\0\0", 4) + be16(payload.size()) + static_cast<char>(protocol) + '\x40' + addresses +
           payload;
  }
  std::string header = std::string("\x45\0", 2) + be16(20 + payload.size()) + std::string("\0\0\0\0\x40", 5) +
                       static_cast<char>(protocol) + std::string(2, '\0') + addresses;
  header.replace(10, 2, be16(internet_checksum(header, 0)));
  return header + payload;
}

/// A datagram with a right checksum.
std::string udp_packet(const char* from, uint16_t from_port, const char* to, uint16_t to_port,
                       const std::string& payload) {
  std::string udp = be16(from_port) + be16(to_port) + be16(8 + payload.size()) + std::string(2, '\0') + payload;
  const std::string pseudo = bytes_of(ip(from)) + bytes_of(ip(to)) + udp;
  udp.replace(6, 2, be16(internet_checksum(pseudo, static_cast<uint32_t>(IPPROTO_UDP + udp.size()))));
  return ip_packet(from, to, IPPROTO_UDP, udp);
}

std::string frame_around(const std::string& packet) {
  return std::string(12, '\2') + (packet[0] >> 4 == 6 ? "\x86\xdd" : std::string("\x08\0", 2)) + packet;
}

class Tunnels : public PodsTest, public ::testing::WithParamInterface<Tunnel> {
 protected:
  /// red serves the VIPs by direct server return; blue, not attached, is the client.
  void SetUp() override {
    PodsTest::SetUp();
    for (const char* name : {"red", "blue"}) {
      add_ipv6(name, std::string("fd00:1::") + (name == std::string("red") ? "2" : "3"));
    }
    for (const End& end : {kIpv4, kIpv6}) {
      sh(std::string("ip -n red address add ") + end.vip + (end.is_ipv6 ? "/128 nodad" : "/32") +
         " dev lo noprefixroute");
    }
    sh("ip -n red link set lo up; sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    ASSERT_TRUE(pods_->attach_netns("red")) << error_of(pods_->attach_netns("red"));
    ASSERT_TRUE(steer(*pods_, {ip(kIpv4.vip), ip(kIpv6.vip)}, {},
                      {{ip(GetParam().outer.pod), ip(kIpv4.vip)}, {ip(GetParam().outer.pod), ip(kIpv6.vip)}}));
  }

  std::string tunnelled(const std::string& inner) const {
    const End& outer = GetParam().outer;
    return GetParam().gue
               ? udp_packet(outer.sender, 50000, outer.pod, WEFT_GUE_PORT, inner)
               : ip_packet(outer.sender, outer.pod, GetParam().inner.is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP, inner);
  }
  /// The request comes out at the pod's socket, whose answer comes out at the client's.
  void exchange(const Fd& wire, const std::string& text) {
    const End& inner = GetParam().inner;
    const Fd server = udp_socket("red", inner.vip, 80);
    const Fd client = udp_socket("blue", inner.client, 40000);
    const std::string frame = frame_around(tunnelled(udp_packet(inner.client, 40000, inner.vip, 80, text)));
    ASSERT_EQ(send(wire.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
    EXPECT_EQ(receive(server), text);
    send_to(server, inner.client, 40000, "from the VIP");
    EXPECT_EQ(receive(client), "from the VIP");
    EXPECT_TRUE(reaches(WEFT_FROM_POD_PASSED_DIRECT, 1));
  }
};
INSTANTIATE_TEST_SUITE_P(All, Tunnels, ::testing::ValuesIn(kTunnels), [](const auto& test) { return test.param.name; });

TEST_P(Tunnels, FromAWorkerEndInThePod) {
  exchange(packet_socket(pods_->workers()[1].afxdp.ifindex), "from a worker");
  EXPECT_TRUE(reaches(WEFT_TO_POD_DECAPSULATED, 1));
}

TEST_P(Tunnels, FromANicEndInThePod) {
  sh("ip netns add outside && ip link add nic0 type veth peer name eth0 netns outside && "
     "ip link set nic0 address 02:02:02:02:02:02 up && ip -n outside link set eth0 up");
  ASSERT_TRUE(pods_->attach_nic("nic0")) << error_of(pods_->attach_nic("nic0"));
  exchange(packet_socket_in("outside", "eth0"), "through a NIC");
  EXPECT_TRUE(reaches(WEFT_FROM_NIC_DECAPSULATED, 1));
  ASSERT_TRUE(pods_->detach_nic("nic0"));
}

TEST_P(Tunnels, EndWhereTheRegistrySaysAlone) {
  const Fd server = udp_socket("red", GetParam().inner.vip, 80);
  ASSERT_TRUE(steer(*pods_, {ip(kIpv4.vip), ip(kIpv6.vip)}, {}, {{ip(kIpv4.client), ip(GetParam().inner.vip)}}));
  const Fd worker = packet_socket(pods_->workers()[0].afxdp.ifindex);
  const End& inner = GetParam().inner;
  const std::string frame = frame_around(tunnelled(udp_packet(inner.client, 40000, inner.vip, 80, "x")));
  ASSERT_GT(send(worker.get(), frame.data(), frame.size(), 0), 0);
  EXPECT_TRUE(reaches(WEFT_TO_POD_REDIRECTED_TUNNEL, 1));
  send_to(server, inner.client, 40000, "not from here");
  EXPECT_TRUE(reaches(WEFT_FROM_POD_DROPPED_SPOOFED, 1));
  // Detached, the pod is the kernel's again, whatever it serves.
  ASSERT_TRUE(steer(*pods_, {ip(inner.vip)}, {}, {{ip(GetParam().outer.pod), ip(inner.vip)}}));
  ASSERT_TRUE(pods_->detach("red"));
  EXPECT_THAT(output_of("bpftool -j map dump pinned /sys/fs/bpf/weft/v2/sources"), HasSubstr("[]"));
}

struct Stream {
  const char* name;
  const char* section;
  const char* vip;
  const char* socat;  ///< the family's address type
};
class LargeFrames : public PodsTest, public ::testing::WithParamInterface<Stream> {};
INSTANTIATE_TEST_SUITE_P(All, LargeFrames,
                         ::testing::Values(Stream{"Ipip4in4", "tc/ipip", "10.96.0.1", "TCP4"},
                                           Stream{"Ipip6in4", "tc/ipip", "[fd00:96::1]", "TCP6"},
                                           Stream{"Gue4in4", "tc/gue", "10.96.0.1", "TCP4"},
                                           Stream{"Gue6in4", "tc/gue", "[fd00:96::1]", "TCP6"}),
                         [](const auto& test) { return test.param.name; });

// The sender's segments cross its veth unsegmented, inside the tunnel: as a NIC's GRO would show them.
TEST_P(LargeFrames, OfTcpComeWholeOutOfATunnel) {
  const Stream& stream = GetParam();
  for (const char* name : {"red", "blue"}) {
    add_ipv6(name, std::string("fd00:1::") + (name == std::string("red") ? "2" : "3"));
  }
  sh("ip -n red address add 10.96.0.1/32 dev lo; ip -n red address add fd00:96::1/128 dev lo nodad; "
     "ip -n red link set lo up; sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; "
     "ip netns exec blue tc qdisc add dev eth0 clsact && ip netns exec blue tc filter add dev eth0 egress bpf da "
     "obj " ENCAPSULATE_OBJECT " sec " +
     std::string(stream.section));
  // Room for the tunnel's headers, which the sender's kernel does not know of.
  sh("ip -n blue link set eth0 mtu 1400 && ip -n blue link set eth0 gso_max_size 65000");
  ASSERT_TRUE(pods_->attach_netns("red"));
  ASSERT_TRUE(pods_->attach_nic("veth-blue"));
  ASSERT_TRUE(steer(*pods_, {ip("10.96.0.1"), ip("fd00:96::1")}, {},
                    {{ip("10.1.0.2"), ip("10.96.0.1")}, {ip("10.1.0.2"), ip("fd00:96::1")}}));
  const std::string listen = std::string(stream.socat) + "-LISTEN:80,bind=" + stream.vip;
  sh("head -c 8388608 /dev/urandom > /run/netns/sent; ip netns exec red timeout 20 socat -u " + listen +
     " CREATE:/run/netns/got & until ip netns exec red ss -ltnH sport = :80 | grep -q LISTEN; do :; done; "
     "ip netns exec blue timeout 20 socat -u OPEN:/run/netns/sent " +
     stream.socat + ":" + stream.vip + ":80 && wait");
  sh("cmp /run/netns/sent /run/netns/got; e=$?; rm /run/netns/sent /run/netns/got; exit $e");
  const uint64_t frames = counted(WEFT_FROM_NIC_DECAPSULATED);
  EXPECT_GT(frames, 100U);
  EXPECT_LT(frames, 8388608U / 1400) << "they were large";
  EXPECT_EQ(counted(WEFT_FROM_NIC_DROPPED_DECAPSULATION), 0U);
}

TEST_F(PodsTest, AnswersFromVipsGoOnOverACrash) {
  sh("ip -n red address add 10.96.0.1/32 dev lo noprefixroute; ip -n red link set lo up; sysctl -qw "
     "net.ipv4.ip_forward=1");
  crash_after([](Pods& doomed) {
    std::ignore = doomed.attach_netns("red");
    std::ignore = steer(doomed, {ip("10.96.0.1")}, {}, {{ip("10.1.0.2"), ip("10.96.0.1")}});
  });
  start();
  ASSERT_TRUE(pods_->attach_netns("red")) << "and nothing before the registry's word takes it away";
  const Fd server = udp_socket("red", "10.96.0.1", 80);
  const Fd client = udp_socket("blue", "10.1.0.3", 40000);
  send_to(server, "10.1.0.3", 40000, "still");
  EXPECT_EQ(receive(client), "still");
  ASSERT_TRUE(steer(*pods_, {ip("10.96.0.1")}, {}, {}));
  send_to(server, "10.1.0.3", 40000, "no more");
  EXPECT_TRUE(reaches(WEFT_FROM_POD_DROPPED_SPOOFED, 1));
}

}  // namespace
}  // namespace weft::pods
