// SPDX-License-Identifier: Apache-2.0
/// @file A new file of packets in libpcap's format with nanoseconds: tcpdump and Wireshark read it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <tl/expected.hpp>

#include "ops/wall_clock.h"

namespace weft::ops {

class PcapFile {
 public:
  /// Makes folder/name, readable by its owner alone. It must not be there yet: no file is ever written over, and no
  /// link followed. The folder is made if it is not there.
  /// @param name letters, digits, '.', '_' and '-', not beginning with '.': it can't lead out of the folder
  static tl::expected<PcapFile, std::string> create(const std::filesystem::path& folder, const std::string& name,
                                                    uint32_t snap_bytes);

  /// @param bytes of the frame, its beginning at least. @param length of the whole frame
  void write(WallClock::Moment time, std::span<const std::byte> bytes, uint32_t length);
  /// Brings all to the disk's cache. @returns what went wrong since create(), or nothing
  std::string flush();

  const std::filesystem::path& path() const { return path_; }
  uint64_t bytes() const { return bytes_; }

 private:
  struct Close {
    void operator()(void* dumper) const;
  };
  PcapFile(std::filesystem::path path, void* dumper) : path_(std::move(path)), dumper_(dumper) {}

  std::filesystem::path path_;
  std::unique_ptr<void, Close> dumper_;  ///< libpcap's
  uint64_t bytes_ = 24;                  ///< the file's own head
};

}  // namespace weft::ops
