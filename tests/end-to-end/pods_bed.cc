// SPDX-License-Identifier: Apache-2.0
#include "pods_bed.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cstdlib>
#include <set>
#include <thread>

#include "pods/entries.h"

namespace weft::pods {
namespace {

/// Of either family.
struct Name {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Name at(const char* address, uint16_t port) {
  Name name;
  if (const lb::Address parsed = ip(address); parsed.is_ipv4()) {
    const sockaddr_in ipv4{
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {static_cast<uint32_t>(parsed.ipv4())}};
    std::memcpy(&name.storage, &ipv4, name.length = sizeof ipv4);
  } else {
    sockaddr_in6 ipv6{.sin6_family = AF_INET6, .sin6_port = htons(port)};
    std::memcpy(&ipv6.sin6_addr, parsed.ipv6().bytes.data(), sizeof ipv6.sin6_addr);
    std::memcpy(&name.storage, &ipv6, name.length = sizeof ipv6);
  }
  return name;
}

int index_in(const std::string& netns, const std::string& interface) {
  return std::stoi(output_of("ip netns exec " + netns + " cat /sys/class/net/" + interface + "/ifindex"));
}

template <typename Key>
std::vector<Key> without(std::vector<Key> all, const std::vector<Key>& some) {
  const std::set<Key> excluded(some.begin(), some.end());
  std::erase_if(all, [&](const Key& key) { return excluded.contains(key); });
  return all;
}

}  // namespace

tl::expected<void, std::string> steer(Pods& pods, const std::vector<lb::Address>& vips,
                                      const std::vector<Endpoint>& endpoints,
                                      const std::vector<DirectEndpoint>& direct) {
  const Steered before = pods.steered();
  if (auto added = pods.add({.vips = vips, .endpoints = endpoints, .direct = direct}); !added) {
    return added;
  }
  return pods.erase({.vips = without(before.vips, vips),
                     .endpoints = without(before.endpoints, endpoints),
                     .direct = without(before.direct, direct)});
}

void sh(const std::string& command) {
  ASSERT_EQ(std::system(command.c_str()), 0) << command;  // NOLINT(cert-env33-c)
}

std::string output_of(const std::string& command) {
  std::string all;
  std::array<char, 256> part{};
  FILE* pipe = popen(command.c_str(), "r");  // NOLINT(cert-env33-c)
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) {
    all += part.data();
  }
  pclose(pipe);
  return all;
}

lb::Address ip(const char* text) {
  return lb::parse_address(text).value();
}

Fd socket_in(const std::string& netns, int family, int type) {
  const auto opened = open_netns(netns);
  EXPECT_TRUE(opened) << opened.error();
  int fd = -1;
  std::thread([&] {
    EXPECT_EQ(setns(opened->fd.get(), CLONE_NEWNET), 0);
    fd = socket(family, type | SOCK_CLOEXEC, 0);
  }).join();
  EXPECT_GE(fd, 0) << std::strerror(errno);
  return Fd(fd);
}

Fd udp_socket(const std::string& netns, const char* address, uint16_t port) {
  const Name name = at(address, port);
  Fd made = socket_in(netns, name.storage.ss_family, SOCK_DGRAM);
  EXPECT_EQ(bind(made.get(), name.get(), name.length), 0) << std::strerror(errno);
  return made;
}

Fd udp_socket_here(const char* address, uint16_t port) {
  const Name name = at(address, port);
  Fd made(socket(name.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(bind(made.get(), name.get(), name.length), 0) << std::strerror(errno);
  return made;
}

Fd packet_socket(uint32_t ifindex) {
  Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  const int ignore = 1;
  EXPECT_EQ(setsockopt(fd.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &ignore, sizeof ignore), 0);
  const sockaddr_ll name{
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = static_cast<int>(ifindex)};
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0) << std::strerror(errno);
  return fd;
}

Fd packet_socket_in(const std::string& netns, const std::string& interface) {
  Fd fd = socket_in(netns, AF_PACKET, SOCK_RAW);
  const sockaddr_ll name{
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index_in(netns, interface)};
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0) << std::strerror(errno);
  return fd;
}

void send_to(const Fd& socket, const char* address, uint16_t port, const std::string& payload) {
  ASSERT_TRUE(try_to_send(socket, address, port, payload)) << std::strerror(errno);
}

bool try_to_send(const Fd& socket, const char* address, uint16_t port, const std::string& payload) {
  const Name name = at(address, port);
  return sendto(socket.get(), payload.data(), payload.size(), 0, name.get(), name.length) ==
         static_cast<ssize_t>(payload.size());
}

bool is_readable(int fd) {
  pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&readable, 1, static_cast<int>(kPatience.count())) == 1;
}

std::string receive(const Fd& socket) {
  std::string data(65536, 0);
  if (!is_readable(socket.get())) {
    return {};
  }
  const ssize_t length = recv(socket.get(), data.data(), data.size(), 0);
  data.resize(length < 0 ? 0 : static_cast<size_t>(length));
  return data;
}

uint16_t internet_checksum(const std::string& bytes, uint32_t sum) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint32_t byte = static_cast<uint8_t>(bytes[i]);
    sum += i % 2 == 0 ? byte << 8 : byte;
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(~sum);
}

bool checksum_is_right(const std::string& frame) {
  const size_t length = static_cast<uint8_t>(frame[16]) << 8 | static_cast<uint8_t>(frame[17]);
  const std::string pseudo_and_segment = frame.substr(26, length - 12);
  return internet_checksum(pseudo_and_segment, static_cast<uint8_t>(frame[23]) + static_cast<uint32_t>(length) - 20) ==
         0;
}

void PodsTest::SetUp() {
  make_pod("red", "10.1.0.2");
  make_pod("blue", "10.1.0.3");
  before_ = state();
  start();
}

void PodsTest::TearDown() {
  pods_.reset();
  sh("for i in $(ls /run/netns); do ip netns delete $i; done");
  // Veths go some time after their namespace.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (output_of("ip -br link show type veth") != "" && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(output_of("ip -br link show type veth"), "");
}

void PodsTest::make_pod(const std::string& name, const std::string& address) {
  sh("ip netns add " + name);
  sh("ip link add veth-" + name + " type veth peer name eth0 netns " + name);
  sh("ip link set veth-" + name + " up");
  sh("ip -n " + name + " link set eth0 up && ip -n " + name + " address add " + address + "/32 dev eth0");
  sh("ip -n " + name + " route add 10.255.255.1 dev eth0 && ip -n " + name + " route add default via 10.255.255.1");
  // As CNIs do it: the gateway is the host's end, whatever its address.
  sh("ip -n " + name + " neigh add 10.255.255.1 dev eth0 lladdr $(cat /sys/class/net/veth-" + name + "/address)");
  sh("ip route add " + address + " dev veth-" + name);
}

void PodsTest::add_ipv6(const std::string& name, const std::string& address) {
  sh("ip -n " + name + " address add " + address + "/128 dev eth0 nodad");
  sh("ip -n " + name + " route add fd00:ffff::1 dev eth0 && ip -n " + name + " route add default via fd00:ffff::1");
  sh("ip -n " + name + " neigh add fd00:ffff::1 dev eth0 lladdr $(cat /sys/class/net/veth-" + name + "/address)");
  sh("ip route add " + address + " dev veth-" + name);
}

std::string PodsTest::state() {
  return output_of(
      "ip -br link | sed 's/@.*//' | sort; tc qdisc; ls -R /sys/fs/bpf; "
      "for i in $(ls /sys/class/net); do tc filter show dev $i ingress; done");
}

void PodsTest::start(uint32_t workers) {
  pods_.reset();
  auto started = Pods::start({.workers = workers});
  ASSERT_TRUE(started) << started.error();
  pods_ = std::move(*started);
}

void PodsTest::crash_after(const std::function<void(Pods&)>& work) {
  pods_.reset();
  const pid_t child = fork();
  if (child == 0) {
    auto doomed = Pods::start({.workers = 2});
    if (doomed) {
      work(**doomed);
    }
    _exit(doomed ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
}

bool PodsTest::reaches(weft_counter counter, uint64_t count) const {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (counted(counter) < count && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  return counted(counter) == count;
}

const WorkerVeth& PodsTest::owner_of(const char* address, uint16_t port) const {
  const uint32_t hash = weft_client_hash(key_of(ip(address)), htons(port), IPPROTO_UDP);
  return pods_->workers()[weft_worker_of(hash, static_cast<uint32_t>(pods_->workers().size()))];
}

}  // namespace weft::pods
