// SPDX-License-Identifier: Apache-2.0
#include "bpf/loader.h"

#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "bpf/pins.h"
#include "bpf/tc.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"  // generated
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "redirect.skel.h"
#pragma GCC diagnostic pop

namespace weft::bpf {
namespace {

/// libbpf says by a call of a global function why it failed; by its own default it would write to standard error, and
/// do so for mere questions too (is there a clsact?). The last warning is kept for the sentence that load() returns.
thread_local std::string last_warning;

int keep_warning(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_WARN) {
    std::array<char, 512> line{};
    std::vsnprintf(line.data(), line.size(), format, arguments);
    last_warning = line.data();
    while (last_warning.ends_with('\n')) {
      last_warning.pop_back();
    }
  }
  return 0;
}

static_assert(sizeof(weft_address) == 16 && sizeof(weft_endpoint) == 20 && sizeof(weft_source) == 20);
static_assert(sizeof(weft_pod) == 16 && offsetof(weft_pod, host_mac) == offsetof(weft_pod, mac) + 6);

constexpr Side side_of(Program program) {
  return program == Program::from_host ? Side::egress : Side::ingress;
}

}  // namespace

tl::expected<std::unique_ptr<Loader>, std::string> Loader::load(const std::filesystem::path& pin_folder) {
  std::unique_ptr<Loader> loader(new Loader);
  loader->folder_ = pin_folder;
  loader->pins_ = pin_folder / std::string("v").append(std::to_string(WEFT_ABI_VERSION));
  auto lock = lock_pin_folder(pin_folder);
  if (!lock) {
    return tl::unexpected(lock.error());
  }
  loader->lock_ = *lock;
  if (auto loaded = loader->load_programs(); !loaded) {
    if (loader->skeleton_ != nullptr && !loader->took_over_) {
      loader->unpin();  // of a failed start nothing stays
    }
    return tl::unexpected(loaded.error());
  }
  return loader;
}

tl::expected<void, std::string> Loader::load_programs() {
  libbpf_set_print(keep_warning);
  skeleton_ = redirect__open();
  if (skeleton_ == nullptr) {
    return tl::unexpected("libbpf cannot read weft's own eBPF programs: " + last_warning);
  }
  std::error_code error;
  std::filesystem::create_directory(pins_, error);
  if (error) {
    return tl::unexpected("cannot make " + pins_.string() + ": " + error.message());
  }
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, skeleton_->obj) {
    const std::filesystem::path pin = pins_ / bpf_map__name(map);
    const auto pinned = is_pinned(map, pin);
    if (!pinned) {
      return tl::unexpected(pinned.error());
    }
    took_over_ |= *pinned;
    bpf_map__set_pin_path(map, pin.c_str());
  }
  if (const int failed = redirect__load(skeleton_); failed != 0) {
    if (failed == -EPERM) {
      return tl::unexpected(
          std::string("the kernel does not let this process load eBPF programs: run weftd as root, or with CAP_BPF and "
                      "CAP_NET_ADMIN"));
    }
    return tl::unexpected(std::string("the kernel refuses weft's eBPF programs: ") + std::strerror(-failed) + ": " +
                          last_warning);
  }
  maps_.emplace(Maps{
      .vips = {bpf_map__fd(skeleton_->maps.vips), "vips"},
      .endpoints = {bpf_map__fd(skeleton_->maps.endpoints), "endpoints"},
      .sources = {bpf_map__fd(skeleton_->maps.sources), "sources"},
      .pods = {bpf_map__fd(skeleton_->maps.pods), "pods"},
      .workers = {bpf_map__fd(skeleton_->maps.workers), "workers"},
      .settings = {bpf_map__fd(skeleton_->maps.settings), "settings"},
      .attachments = {bpf_map__fd(skeleton_->maps.attachments), "attachments"},
  });
  return {};
}

Loader::~Loader() {
  redirect__destroy(skeleton_);
  if (lock_ >= 0) {
    close(lock_);
  }
}

tl::expected<void, std::string> Loader::set_worker(uint32_t worker, uint32_t ifindex) {
  return maps_->workers.set(worker, ifindex);
}

tl::expected<void, std::string> Loader::set_settings(const weft_settings& settings) {
  return maps_->settings.set(0, settings);
}

tl::expected<void, std::string> Loader::attach(Program program, uint32_t ifindex) {
  // Without weft's filter an old record is of an interface that has changed hands: what it says no longer holds.
  const auto before = maps_->attachments.get(ifindex);
  const bool owned_clsact = before && before->owns_clsact != 0 && has_filter(ifindex, side_of(program));
  weft_attachment record{.program = static_cast<uint32_t>(program), .owns_clsact = owned_clsact};
  // Recorded before it is done: a crash in between leaves a record of nothing, which is harmless, and no lost
  // filter.
  if (auto written = maps_->attachments.set(ifindex, record); !written) {
    return written;
  }
  const auto clsact = attach_filter(ifindex, side_of(program), fd(program));
  if (!clsact) {
    if (!before) {
      std::ignore = maps_->attachments.erase(ifindex);
    }
    return tl::unexpected(clsact.error());
  }
  record.owns_clsact = owned_clsact || *clsact == Clsact::ours;
  return maps_->attachments.set(ifindex, record);
}

tl::expected<void, std::string> Loader::attach_beside(Program program, uint32_t ifindex) {
  if (const auto clsact = attach_filter(ifindex, side_of(program), fd(program)); !clsact) {
    return tl::unexpected(clsact.error());
  }
  return {};
}

tl::expected<void, std::string> Loader::detach(uint32_t ifindex) {
  const auto record = maps_->attachments.get(ifindex);
  if (!record) {
    return {};
  }
  const Side side = side_of(static_cast<Program>(record->program));
  if (auto done = detach_filter(ifindex, side, record->owns_clsact != 0 ? Clsact::ours : Clsact::foreign); !done) {
    return done;
  }
  return maps_->attachments.erase(ifindex);
}

tl::expected<std::vector<Attached>, std::string> Loader::attached() const {
  const auto entries = maps_->attachments.entries();
  if (!entries) {
    return tl::unexpected(entries.error());
  }
  std::vector<Attached> all;
  for (const auto& [ifindex, record] : *entries) {
    all.push_back({.ifindex = ifindex, .program = static_cast<Program>(record.program)});
  }
  return all;
}

tl::expected<Counters, std::string> Loader::counters() const {
  const int fd = bpf_map__fd(skeleton_->maps.counters);
  const int cpus = libbpf_num_possible_cpus();
  std::vector<uint64_t> values(cpus > 0 ? static_cast<size_t>(cpus) : 0);
  Counters sums{};
  for (uint32_t counter = 0; counter < WEFT_COUNTERS; ++counter) {
    if (values.empty() || bpf_map_lookup_elem(fd, &counter, values.data()) != 0) {
      return tl::unexpected(std::string("cannot read the eBPF map `counters`: ") + std::strerror(errno));
    }
    for (const uint64_t value : values) {
      sums[counter] += value;
    }
  }
  return sums;
}

tl::expected<void, std::string> Loader::unpin() {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, skeleton_->obj) {
    if (const int error = bpf_map__unpin(map, nullptr); error != 0 && error != -ENOENT) {
      return tl::unexpected("cannot remove the pin of the eBPF map `" + std::string(bpf_map__name(map)) +
                            "`: " + std::strerror(-error));
    }
  }
  std::error_code not_empty;  // then they are somebody's
  std::filesystem::remove(pins_, not_empty);
  std::filesystem::remove(folder_, not_empty);
  return {};
}

int Loader::fd(Program program) const {
  switch (program) {
    case Program::from_pod:
      return bpf_program__fd(skeleton_->progs.from_pod);
    case Program::to_pod:
      return bpf_program__fd(skeleton_->progs.to_pod);
    case Program::from_nic:
      return bpf_program__fd(skeleton_->progs.from_nic);
    case Program::from_host:
      return bpf_program__fd(skeleton_->progs.from_host);
  }
  return -1;
}

}  // namespace weft::bpf
