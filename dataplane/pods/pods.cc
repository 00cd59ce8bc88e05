// SPDX-License-Identifier: Apache-2.0
#include "pods/pods.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "bpf/tc.h"
#include "pods/entries.h"

namespace weft::pods {
namespace {

bool contains(const std::vector<lb::Address>& sorted, const lb::Address& address) {
  return std::binary_search(sorted.begin(), sorted.end(), address);
}

bool is_in(const Pod& pod, const std::string& netns) {
  return !pod.netns.empty() && pod.netns == netns;
}

std::string describe(const Pod& pod) {
  return pod.netns.empty() ? "the pod behind " + pod.interface : "pod " + pod.netns + " (" + pod.interface + ")";
}

}  // namespace

Pods::~Pods() {
  if (auto done = stop(); !done) {
    spdlog::error("weft's pods did not stop cleanly: {}", done.error());
  }
}

tl::expected<std::vector<Pod>, std::string> Pods::attach_netns(const std::string& name) {
  notice_changes();
  const auto netns = open_netns(name);
  if (!netns) {
    return tl::unexpected(netns.error());
  }
  const auto veths = veths_between(netlink_, *netns);
  if (!veths) {
    return tl::unexpected(veths.error());
  }
  if (veths->empty()) {
    return tl::unexpected("network namespace " + netns->name +
                          " has no veth that leads here: weft attaches a pod at the host's end of its veth");
  }
  const std::vector<Pod> before = pods_;
  std::vector<Pod> attached;
  for (const PodVeth& veth : *veths) {
    if (veth.addresses.empty() && veths->size() > 1) {
      continue;  // of several, those that the pod uses
    }
    auto pod = attach(*netns, veth);
    if (!pod) {
      for (const Pod& each : attached) {
        const bool is_new =
            std::none_of(before.begin(), before.end(), [&](const Pod& old) { return old.ifindex == each.ifindex; });
        if (is_new) {
          std::ignore = detach(each.interface);
        }
      }
      return tl::unexpected(pod.error());
    }
    attached.push_back(std::move(*pod));
  }
  if (attached.empty()) {
    return tl::unexpected("network namespace " + netns->name + " has no address: give it one, then attach it");
  }
  return attached;
}

tl::expected<Pod, std::string> Pods::attach_interface(const std::string& name) {
  notice_changes();
  const auto link = netlink_.find(name);
  if (!link) {
    return tl::unexpected(link.error());
  }
  if (!*link) {
    return tl::unexpected("there is no interface " + name + " here: give the name of the host's end of a pod's veth");
  }
  if (!(*link)->veth || !(*link)->peer_netns_id) {
    return tl::unexpected(name + " is not the host's end of a pod's veth: " +
                          ((*link)->veth ? "its other end is here too" : "it is no veth"));
  }
  const auto netns = find_netns(netlink_, *(*link)->peer_netns_id);
  if (!netns) {
    return tl::unexpected("the network namespace behind " + name +
                          " is neither under /run/netns nor a process's: attach it by the path of its namespace");
  }
  const auto veths = veths_between(netlink_, *netns);
  if (!veths) {
    return tl::unexpected(veths.error());
  }
  for (const PodVeth& veth : *veths) {
    if (veth.host.ifindex == (*link)->ifindex) {
      return attach(*netns, veth);
    }
  }
  return tl::unexpected(name + " vanished while weft looked into its pod");
}

tl::expected<void, std::string> Pods::detach(const std::string& name) {
  const auto named = [netns = canonical_name(name), &name](const Pod& pod) {
    return pod.interface == name || is_in(pod, netns);
  };
  return detach_all(named, "no pod `" + name + "` is attached");
}

tl::expected<void, std::string> Pods::detach_netns(const std::string& name) {
  const auto named = [netns = canonical_name(name)](const Pod& pod) { return is_in(pod, netns); };
  return detach_all(named, "no pod of the network namespace `" + name + "` is attached");
}

tl::expected<void, std::string> Pods::detach_interface(const std::string& name) {
  const auto named = [&name](const Pod& pod) { return pod.interface == name; };
  return detach_all(named, "no pod behind the interface `" + name + "` is attached");
}

/// @param none what to say if there is none
template <typename Named>
Pods::Done Pods::detach_all(Named named, const std::string& none) {
  auto found = std::find_if(pods_.begin(), pods_.end(), named);
  if (found == pods_.end()) {
    return tl::unexpected(none + ": give its network namespace or the host's end of its veth, as listed");
  }
  for (; found != pods_.end(); found = std::find_if(pods_.begin(), pods_.end(), named)) {
    if (auto done = release(*found); !done) {
      return done;
    }
    pods_.erase(found);
  }
  return settle_grants();
}

std::vector<Pod> Pods::list() {
  notice_changes();
  return pods_;
}

tl::expected<void, std::string> Pods::stop() {
  Done first;
  const auto keep_first = [&first](Done done) {
    if (first && !done) {
      first = std::move(done);
    }
  };
  if (stopped_) {
    return first;
  }
  stopped_ = true;
  if (config_.keep_on_stop) {
    for (uint32_t worker = 0; worker < workers_.size(); ++worker) {
      keep_first(programs_->set_worker(worker, 0));  // what comes now drops, and is counted
    }
    return first;
  }
  keep_first(programs_->set_settings({.workers = 0, .mtu = config_.mtu}));
  for (const Nic& nic : nics_) {
    keep_first(programs_->detach(nic.ifindex));
  }
  nics_.clear();
  for (const Pod& pod : pods_) {
    keep_first(release(pod));
  }
  pods_.clear();
  for (uint32_t worker = 0; worker < workers_.size(); ++worker) {
    keep_first(programs_->detach(workers_[worker].kernel.ifindex));
    keep_first(remove_worker_veth(netlink_, config_.prefix, worker));
  }
  workers_.clear();
  keep_first(programs_->unpin());
  return first;
}

tl::expected<Pod, std::string> Pods::attach(const Netns& netns, const PodVeth& veth) {
  Pod pod{.netns = netns.name,
          .interface = veth.host.name,
          .ifindex = veth.host.ifindex,
          .host_mac = veth.host.mac,
          .pod_interface = veth.pod.name,
          .mac = veth.pod.mac,
          .addresses = veth.addresses};
  if (pod.addresses.empty()) {
    return tl::unexpected("network namespace " + netns.name + " has no address on " + veth.pod.name +
                          ": give it one, then attach it");
  }
  if (std::any_of(nics_.begin(), nics_.end(), [&](const Nic& nic) { return nic.ifindex == pod.ifindex; })) {
    return tl::unexpected(pod.interface + " is attached as a NIC: detach that first");
  }
  if (veth.pod.mtu > config_.mtu) {
    return tl::unexpected(describe(pod) + " sends packets of up to " + std::to_string(veth.pod.mtu) +
                          " bytes, and the workers' interfaces drop those over " + std::to_string(config_.mtu) +
                          ": raise pods.mtu, or lower the MTU of its " + veth.pod.name);
  }
  if (auto good = refuse_addresses(pod); !good) {
    return tl::unexpected(good.error());
  }
  auto old = std::find_if(pods_.begin(), pods_.end(), [&](const Pod& each) { return each.ifindex == pod.ifindex; });
  if (old == pods_.end() && pods_.size() >= WEFT_MAX_PODS) {
    return tl::unexpected("this node has " + std::to_string(WEFT_MAX_PODS) + " pods attached, which is all weft takes");
  }
  const Addresses before = old == pods_.end() ? Addresses{} : old->addresses;
  Done done = write_addresses(pod);
  if (done) {
    done = programs_->attach(bpf::Program::from_pod, pod.ifindex);
  }
  if (!done) {
    std::ignore = erase_addresses(pod.ifindex, pod.addresses, before);
    if (old != pods_.end()) {
      std::ignore = write_addresses(*old);
    }
    return tl::unexpected(done.error());
  }
  if (old != pods_.end()) {
    pods_.erase(old);
  }
  const auto place = std::lower_bound(pods_.begin(), pods_.end(), pod,
                                      [](const Pod& a, const Pod& b) { return a.interface < b.interface; });
  pods_.insert(place, pod);
  if (done = erase_addresses(pod.ifindex, before, pod.addresses); done) {
    done = settle_grants();
  }
  if (!done) {
    return tl::unexpected(done.error());
  }
  return pod;
}

/// Both would let one pod receive what is meant for another.
Pods::Done Pods::refuse_addresses(const Pod& pod) const {
  for (const lb::Address& address : pod.addresses) {
    if (vips_.contains(address)) {
      return tl::unexpected(describe(pod) + " has the address " + to_string(address) +
                            ", which is a VIP: take it from one of the two");
    }
    for (const Pod& other : pods_) {
      if (other.ifindex != pod.ifindex && contains(other.addresses, address)) {
        return tl::unexpected(describe(pod) + " has the address " + to_string(address) + ", which " + describe(other) +
                              " has already: detach that one first");
      }
    }
  }
  return {};
}

Pods::Done Pods::write_addresses(const Pod& pod) {
  weft_pod entry{.ifindex = pod.ifindex};
  std::copy(pod.mac.begin(), pod.mac.end(), std::begin(entry.mac));
  std::copy(pod.host_mac.begin(), pod.host_mac.end(), std::begin(entry.host_mac));
  for (const lb::Address& address : pod.addresses) {
    if (auto done = programs_->sources().set(source_of(pod.ifindex, address), WEFT_SOURCE_OWN); !done) {
      return done;
    }
    if (auto done = programs_->pods().set(key_of(address), entry); !done) {
      return done;
    }
  }
  return {};
}

Pods::Done Pods::erase_addresses(uint32_t ifindex, const Addresses& addresses, const Addresses& except) {
  for (const lb::Address& address : addresses) {
    if (contains(except, address)) {
      continue;
    }
    if (auto done = programs_->pods().erase(key_of(address)); !done) {
      return done;
    }
    if (auto done = programs_->sources().erase(source_of(ifindex, address)); !done) {
      return done;
    }
  }
  return {};
}

Pods::Done Pods::release(const Pod& pod) {
  if (auto done = programs_->detach(pod.ifindex); !done) {
    return done;
  }
  return erase_addresses(pod.ifindex, pod.addresses, {});
}

void Pods::notice_changes() {
  const auto changed = [this](Pod& pod) {
    const auto link = netlink_.find(pod.ifindex);
    if (!link) {
      return false;  // could not be told: as before
    }
    if (!*link) {
      if (auto done = release(pod); !done) {
        spdlog::warn("{} is gone, and weft could not forget it: {}", describe(pod), done.error());
      }
      return true;
    }
    pod.interface = (*link)->name;
    if (!bpf::has_filter(pod.ifindex)) {
      const auto done = programs_->attach(bpf::Program::from_pod, pod.ifindex);
      spdlog::warn("weft's filter at {} was removed by another: {}", describe(pod),
                   done ? "attached again" : done.error());
    }
    return false;
  };
  const size_t before = pods_.size();
  pods_.erase(std::remove_if(pods_.begin(), pods_.end(), changed), pods_.end());
  if (pods_.size() != before) {
    if (auto done = settle_grants(); !done) {
      spdlog::warn("a pod is gone, and weft could not forget the VIPs that it served: {}", done.error());
    }
  }
}

}  // namespace weft::pods
