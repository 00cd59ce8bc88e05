// SPDX-License-Identifier: Apache-2.0
/// @file How traffic of this node reaches the workers: of its pods, of NICs that stay with the kernel, of the host's
/// own processes; and the veth pairs between all of these and the workers.
///
/// A Pod here is one veth between a network namespace and the host. Attaching adds weft's eBPF program at the host's
/// end, and writes the pod's addresses into the maps; nothing in the pod changes, as its packets reach the host's end
/// by its own default route. Addresses are those that the namespace has at that moment: whoever may set addresses in a
/// pod must be kept from asking for an attachment, as identity hangs on them. An address that another attached pod has,
/// or that is a VIP, is refused.
///
/// A Nic is an interface of the host whose packets from endpoints elsewhere are brought back to their flows' workers,
/// whose requests for VIPs are served, and whose tunnel packets for VIPs of local pods (direct server return) are
/// unpacked. All else that comes in there is the kernel's, as before.
///
/// Processes of the host reach VIPs by routes over the first worker's interface (Config::host_routes).
///
/// All state is in the kernel (pinned maps, filters, interfaces), so it outlives a crash: pods stay attached, their
/// mesh traffic is dropped until the next start(), which takes over what is still there and forgets what is gone.
/// stop() leaves the machine as it was found, unless it is told to leave all as a crash would.
///
/// Not thread-safe: one control thread owns a Pods. It must stay in the network namespace of start(). Errors are
/// sentences.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "bpf/loader.h"
#include "lb/address.h"
#include "lb/prefix.h"
#include "pods/netns.h"
#include "pods/steering_maps.h"
#include "pods/veth.h"

namespace weft::pods {

/// Of the workers' interfaces: IFNAMSIZ is 16 with the final 0, and the longest suffix is "15x".
constexpr size_t kMaxPrefix = 12;
/// Letters, digits, - and _.
bool valid_prefix(std::string_view prefix);

constexpr uint32_t kMinMtu = 576;  ///< RFC 791: every host must take datagrams of this size
/// An AF_XDP frame lies in one packet buffer of 2048 bytes, behind 256 bytes that the kernel keeps and 14 of Ethernet.
constexpr uint32_t kMaxMtu = 2048 - 256 - 14;

struct Config {
  std::string prefix = "weft";  ///< of the workers' interfaces
  uint32_t workers = 1;         ///< 1 to WEFT_MAX_WORKERS
  std::filesystem::path pin_dir = bpf::kDefaultPinFolder;
  uint32_t mtu =
      1500;  ///< of the workers' interfaces: a pod with a larger one is refused, as they would drop what it sends
  std::vector<lb::Prefix> host_routes;  ///< VIPs of these are for the host's own processes too
  bool keep_on_stop = false;            ///< stop() leaves all to the next start(), as a crash does
};

struct Pod {
  std::string netns;      ///< its name under /run/netns, or a path; empty if a taken-over pod's is not to be found
  std::string interface;  ///< the host's end
  uint32_t ifindex = 0;   ///< the host's end
  Mac host_mac{};
  std::string pod_interface;           ///< empty as netns
  Mac mac{};                           ///< the pod's end
  std::vector<lb::Address> addresses;  ///< sorted, never empty
};

/// An interface of the host.
struct Nic {
  std::string interface;
  uint32_t ifindex = 0;
};

enum class WorkerLink : uint8_t {
  up,
  down,  ///< an end of the worker's veth was set down: its traffic drops, and is counted, until both are up again
  gone,  ///< deleted under weft: the worker's traffic drops, and is counted, until weftd starts anew
};
std::string_view to_string(WorkerLink link);

class Pods : public SteeringMaps {
 public:
  static tl::expected<std::unique_ptr<Pods>, std::string> start(const Config& config);
  /// stop(), with its error in the log.
  ~Pods() override;
  Pods(const Pods&) = delete;
  Pods& operator=(const Pods&) = delete;

  /// Attaches every veth that leads from the namespace to the host; nearly always there is one. Attaching again
  /// refreshes addresses. On an error the pod is as it was before.
  tl::expected<std::vector<Pod>, std::string> attach_netns(const std::string& name);
  /// The same for one veth, by the name of the host's end.
  tl::expected<Pod, std::string> attach_interface(const std::string& name);
  /// @param name a namespace as attached or listed, or the host's end
  tl::expected<void, std::string> detach(const std::string& name);
  tl::expected<void, std::string> detach_netns(const std::string& name);
  tl::expected<void, std::string> detach_interface(const std::string& name);
  /// By name of the host's end. Forgets pods whose interface is gone, and attaches again where another program has
  /// removed weft's filter.
  std::vector<Pod> list();

  /// No error if it is attached already.
  tl::expected<Nic, std::string> attach_nic(const std::string& interface);
  tl::expected<void, std::string> detach_nic(const std::string& interface);
  /// As list(), of NICs.
  std::vector<Nic> list_nics();

  /// Endpoints come before VIPs, and go after them: so no request can come whose reply is not steered.
  tl::expected<void, std::string> add(const Steered& what) override;
  tl::expected<void, std::string> erase(const Steered& what) override;
  Steered steered() const override;

  tl::expected<bpf::Counters, std::string> counters() const { return programs_->counters(); }
  /// By worker; DPDK opens the AF_XDP end of each. The names stay over a restart, the MAC addresses do not.
  const std::vector<WorkerVeth>& workers() const { return workers_; }
  /// As notice_link_changes() last found it.
  WorkerLink worker_link(size_t worker) const { return worker_links_[worker]; }

  /// Readable when notice_link_changes() should be called. Valid as long as this.
  int link_events() const { return link_events_.fd(); }
  /// Looks at the workers' interfaces, logs what changed, and drops a worker's traffic while its interface is not up.
  /// Forgets pods and NICs that are gone, as list() does.
  void notice_link_changes();

  /// Detaches all, removes the interfaces and the pins. Goes on after an error, and returns the first. Idempotent.
  tl::expected<void, std::string> stop();

 private:
  using Addresses = std::vector<lb::Address>;
  using Done = tl::expected<void, std::string>;
  /// A pod (the host's end of its veth) and a VIP that it may answer from.
  using Grant = std::pair<uint32_t, lb::Address>;

  Pods(Config config, Fd prefix_lock, Netlink netlink, LinkEvents link_events, std::unique_ptr<bpf::Loader> programs);
  // start.cc
  Done take_over();
  Done take_over_pod(const Link& link, const std::vector<std::pair<weft_address, weft_pod>>& entries);
  Done take_over_nic(const Link& link);
  Done erase_leftovers(const std::vector<std::pair<weft_address, weft_pod>>& entries);
  Done make_workers();
  Done add_host_routes();
  // pods.cc
  tl::expected<Pod, std::string> attach(const Netns& netns, const PodVeth& veth);
  Done refuse_addresses(const Pod& pod) const;
  Done write_addresses(const Pod& pod);
  Done erase_addresses(uint32_t ifindex, const Addresses& addresses, const Addresses& except);
  template <typename Named>
  Done detach_all(Named named, const std::string& none);
  Done release(const Pod& pod);
  void notice_changes();
  // nics.cc
  void notice_nic_changes();
  WorkerLink look_at(const WorkerVeth& worker) const;
  // steered.cc
  Done add(const Endpoint& endpoint);
  Done erase(const Endpoint& endpoint);
  bool is_lone_address(std::set<Endpoint>::const_iterator entry) const;
  bool wants(const Pod& pod, const lb::Address& vip) const;
  Done settle_grant(const Pod& pod, const lb::Address& vip);
  Done settle_grants(const std::vector<DirectEndpoint>& changed);
  Done settle_grants();

  Config config_;
  Fd prefix_lock_;  ///< see prefix_lock.h
  Netlink netlink_;
  LinkEvents link_events_;
  std::unique_ptr<bpf::Loader> programs_;
  std::vector<WorkerVeth> workers_;
  std::vector<WorkerLink> worker_links_;  ///< by worker
  std::vector<Pod> pods_;                 ///< by name of the host's end
  std::vector<Nic> nics_;                 ///< by name
  std::set<lb::Address> vips_;            ///< what the map holds
  std::set<Endpoint> endpoints_;          ///< what the map holds, addresses alone too
  std::set<DirectEndpoint> direct_;       ///< what is wanted, pods of other nodes too
  std::set<Grant> grants_;                ///< what the map holds
  bool stopped_ = false;
};

}  // namespace weft::pods
