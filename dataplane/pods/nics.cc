// SPDX-License-Identifier: Apache-2.0
// Interfaces of the host: NICs that are attached, and what becomes of the workers' own.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "bpf/tc.h"
#include "pods/pods.h"

namespace weft::pods {

std::string_view to_string(WorkerLink link) {
  switch (link) {
    case WorkerLink::up:
      return "up";
    case WorkerLink::down:
      return "down";
    case WorkerLink::gone:
      return "gone";
  }
  return "unknown";
}

tl::expected<Nic, std::string> Pods::attach_nic(const std::string& interface) {
  notice_changes();
  const auto found = netlink_.find(interface);
  if (!found) {
    return tl::unexpected(found.error());
  }
  if (!*found) {
    return tl::unexpected("there is no interface " + interface + " here");
  }
  const Link& link = **found;
  const auto is_link = [&link](const auto& each) { return each.ifindex == link.ifindex; };
  if (!link.ethernet) {
    return tl::unexpected(interface + " is no Ethernet interface");
  }
  if (std::any_of(workers_.begin(), workers_.end(),
                  [&](const WorkerVeth& worker) { return is_link(worker.kernel) || is_link(worker.afxdp); })) {
    return tl::unexpected(interface + " is weft's own");
  }
  if (std::any_of(pods_.begin(), pods_.end(), is_link)) {
    return tl::unexpected(interface + " is attached as a pod's: detach that first");
  }
  const bool is_new = std::none_of(nics_.begin(), nics_.end(), is_link);
  if (is_new && nics_.size() >= WEFT_MAX_NICS) {
    return tl::unexpected("this node has " + std::to_string(WEFT_MAX_NICS) + " NICs attached, which is all weft takes");
  }
  if (auto done = programs_->attach(bpf::Program::from_nic, link.ifindex); !done) {
    return tl::unexpected(done.error());
  }
  Nic nic{.interface = link.name, .ifindex = link.ifindex};
  if (is_new) {
    const auto place = std::lower_bound(nics_.begin(), nics_.end(), nic,
                                        [](const Nic& a, const Nic& b) { return a.interface < b.interface; });
    nics_.insert(place, nic);
  }
  if (link.mtu > config_.mtu) {
    spdlog::warn(
        "{} takes packets of up to {} bytes, and the workers' interfaces of {}: the mesh's longer ones drop "
        "(from_nic_dropped_too_long)",
        interface, link.mtu, config_.mtu);
  }
  return nic;
}

tl::expected<void, std::string> Pods::detach_nic(const std::string& interface) {
  const auto found =
      std::find_if(nics_.begin(), nics_.end(), [&](const Nic& nic) { return nic.interface == interface; });
  if (found == nics_.end()) {
    return tl::unexpected("no NIC `" + interface + "` is attached");
  }
  if (auto done = programs_->detach(found->ifindex); !done) {
    return done;
  }
  nics_.erase(found);
  return {};
}

std::vector<Nic> Pods::list_nics() {
  notice_nic_changes();
  return nics_;
}

void Pods::notice_nic_changes() {
  const auto gone = [this](Nic& nic) {
    const auto link = netlink_.find(nic.ifindex);
    if (!link) {
      return false;  // could not be told: as before
    }
    if (!*link) {
      const auto done = programs_->detach(nic.ifindex);
      spdlog::warn("NIC {} is gone{}", nic.interface, done ? "" : ", and weft could not forget it: " + done.error());
      return true;
    }
    nic.interface = (*link)->name;
    if (!bpf::has_filter(nic.ifindex)) {
      const auto done = programs_->attach(bpf::Program::from_nic, nic.ifindex);
      spdlog::warn("weft's filter at NIC {} was removed by another: {}", nic.interface,
                   done ? "attached again" : done.error());
    }
    return false;
  };
  nics_.erase(std::remove_if(nics_.begin(), nics_.end(), gone), nics_.end());
}

void Pods::notice_link_changes() {
  link_events_.drain();
  for (uint32_t worker = 0; worker < workers_.size(); ++worker) {
    const WorkerVeth& veth = workers_[worker];
    const WorkerLink now = look_at(veth);
    if (now == worker_links_[worker]) {
      continue;
    }
    worker_links_[worker] = now;
    if (now == WorkerLink::up) {
      spdlog::info("{} and {} are up again", veth.kernel.name, veth.afxdp.name);
    } else if (now == WorkerLink::down) {
      spdlog::error("{} or {} was set down: worker {}'s traffic drops until both are up", veth.kernel.name,
                    veth.afxdp.name, worker);
    } else {
      spdlog::error("{} was deleted: worker {}'s traffic drops until weftd is restarted", veth.kernel.name, worker);
    }
    if (auto done = programs_->set_worker(worker, now == WorkerLink::up ? veth.kernel.ifindex : 0); !done) {
      spdlog::error("worker {}: {}", worker, done.error());
    }
  }
  notice_changes();
  notice_nic_changes();
}

/// What can't be told is taken for up.
WorkerLink Pods::look_at(const WorkerVeth& worker) const {
  const auto kernel = netlink_.find(worker.kernel.ifindex);
  const auto afxdp = netlink_.find(worker.afxdp.ifindex);
  if (!kernel || !afxdp) {
    return WorkerLink::up;
  }
  if (!*kernel || !*afxdp) {
    return WorkerLink::gone;
  }
  return (*kernel)->up && (*afxdp)->up ? WorkerLink::up : WorkerLink::down;
}

}  // namespace weft::pods
