// SPDX-License-Identifier: Apache-2.0
/// @file One eBPF map with the types of its key and value: edits and reads by system call.
///
/// Borrows the file descriptor of a loaded map (loader.h owns it). An edit is atomic for the programs, and each costs a
/// system call: for the control thread only. Errors are sentences that name the map.
#pragma once

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft::bpf {

template <typename Key, typename Value>
class Map {
  static_assert(std::has_unique_object_representations_v<Key>, "the kernel compares keys as bytes: no padding");
  static_assert(std::is_trivially_copyable_v<Value>);

 public:
  Map(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  tl::expected<void, std::string> set(const Key& key, const Value& value) {
    if (bpf_map_update_elem(fd_, &key, &value, BPF_ANY) == 0) {
      return {};
    }
    if (errno == E2BIG) {
      return tl::unexpected("the eBPF map `" + name_ + "` is full: this node has more than weft was built for");
    }
    return failed("write to");
  }

  /// No error if there was nothing to erase.
  tl::expected<void, std::string> erase(const Key& key) {
    if (bpf_map_delete_elem(fd_, &key) == 0 || errno == ENOENT) {
      return {};
    }
    return failed("erase from");
  }

  tl::expected<Value, std::string> get(const Key& key) const {
    Value value;
    if (bpf_map_lookup_elem(fd_, &key, &value) == 0) {
      return value;
    }
    return failed("find an entry in");
  }

  /// In no order. Precondition: nobody else edits meanwhile, or entries may be missed.
  tl::expected<std::vector<std::pair<Key, Value>>, std::string> entries() const {
    std::vector<std::pair<Key, Value>> all;
    std::pair<Key, Value> entry;
    const Key* previous = nullptr;
    while (bpf_map_get_next_key(fd_, previous, &entry.first) == 0) {
      if (bpf_map_lookup_elem(fd_, &entry.first, &entry.second) != 0) {
        return failed("read");
      }
      all.push_back(entry);
      previous = &all.back().first;
    }
    if (errno != ENOENT) {
      return failed("list");
    }
    return all;
  }

 private:
  tl::unexpected<std::string> failed(const char* what) const {
    return tl::unexpected(std::string("cannot ") + what + " the eBPF map `" + name_ + "`: " + std::strerror(errno));
  }

  int fd_;
  std::string name_;
};

}  // namespace weft::bpf
