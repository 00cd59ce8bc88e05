// SPDX-License-Identifier: Apache-2.0
/// @file Real pods for tests: namespaces that iproute2 makes, sockets in them, and a Pods that attaches them.
///
/// For programs with own_namespaces_main.cc. AF_XDP's end of a worker's veth is played by a packet socket.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "pods/pods.h"

namespace weft::pods {

constexpr std::chrono::milliseconds kPatience{5000};

/// Fails the test if the shell command does.
void sh(const std::string& command);
std::string output_of(const std::string& command);

/// Empty if there is none.
template <typename T>
std::string error_of(const tl::expected<T, std::string>& result) {
  return result ? std::string() : result.error();
}

lb::Address ip(const char* text);

/// Makes these all that packets are steered by.
tl::expected<void, std::string> steer(Pods& pods, const std::vector<lb::Address>& vips,
                                      const std::vector<Endpoint>& endpoints,
                                      const std::vector<DirectEndpoint>& direct = {});

/// A socket of a pod: made there by a thread of its own, then used from here.
Fd socket_in(const std::string& netns, int family, int type);
/// A pod's UDP socket with an address.
Fd udp_socket(const std::string& netns, const char* address, uint16_t port);
/// All frames of an interface of a pod, its own too.
Fd packet_socket_in(const std::string& netns, const std::string& interface);
/// The same of a process of the host.
Fd udp_socket_here(const char* address, uint16_t port);
/// All frames that come in at an interface of this namespace, as AF_XDP would see them.
Fd packet_socket(uint32_t ifindex);

void send_to(const Fd& socket, const char* address, uint16_t port, const std::string& payload);
bool try_to_send(const Fd& socket, const char* address, uint16_t port, const std::string& payload);
/// In time.
bool is_readable(int fd);
/// Empty if none comes in time.
std::string receive(const Fd& socket);

uint16_t internet_checksum(const std::string& bytes, uint32_t sum);
/// Is the checksum of a frame's UDP datagram complete and right? Precondition: no IP options.
bool checksum_is_right(const std::string& frame);

/// Two pods, red (10.1.0.2) and blue (10.1.0.3), not attached, and a Pods with two workers.
class PodsTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// The host's end is veth-<name>, and the pod's gateway; the pod's end is eth0.
  static void make_pod(const std::string& name, const std::string& address);
  /// A second address for a pod.
  static void add_ipv6(const std::string& name, const std::string& address);
  /// What weft must leave as it found it.
  static std::string state();

  void start(uint32_t workers = 2);
  /// What a weftd leaves that is killed: all that it did, and nothing of its end.
  void crash_after(const std::function<void(Pods&)>& work);

  uint64_t counted(weft_counter counter) const { return pods_->counters().value()[counter]; }
  /// A counter moves once the packet has passed the program, which may be after the sender's call.
  bool reaches(weft_counter counter, uint64_t count) const;
  /// The worker that owns the UDP flows of a client.
  const WorkerVeth& owner_of(const char* address, uint16_t port) const;

  std::string before_;  ///< state() before the Pods started
  std::unique_ptr<Pods> pods_;
};

}  // namespace weft::pods
