// SPDX-License-Identifier: Apache-2.0
#include "bpf/pins.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weft::bpf {
namespace {

std::string because(int error) {
  const std::string reason = std::strerror(error);
  return error != EACCES && error != EPERM
             ? reason
             : reason + ": run weftd as root, or with CAP_BPF, CAP_NET_ADMIN and a pin folder of its own";
}

/// Asks the folder, or the nearest above it that exists: it will be made there.
tl::expected<void, std::string> check_file_system(const std::filesystem::path& folder) {
  struct statfs info {};
  std::filesystem::path existing = folder;
  while (statfs(existing.c_str(), &info) != 0) {
    if (errno != ENOENT) {
      return tl::unexpected("cannot use the eBPF pin folder " + folder.string() + ": " + because(errno));
    }
    existing = existing.parent_path();
  }
  if (info.f_type != BPF_FS_MAGIC) {
    return tl::unexpected(
        "the eBPF pin folder " + folder.string() +
        " is not on a BPF file system: mount one (`mount -t bpf bpf /sys/fs/bpf`), or name a folder that "
        "is on one");
  }
  return {};
}

}  // namespace

tl::expected<int, std::string> lock_pin_folder(const std::filesystem::path& folder) {
  if (!folder.is_absolute()) {
    return tl::unexpected("the eBPF pin folder `" + folder.string() + "` must be an absolute path");
  }
  if (auto good = check_file_system(folder); !good) {
    return tl::unexpected(good.error());
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const int fd = error ? -1 : open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return tl::unexpected("cannot use the eBPF pin folder " + folder.string() + ": " +
                          because(error ? error.value() : errno));
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int why = errno;
    close(fd);
    return tl::unexpected(why == EWOULDBLOCK
                              ? "another weftd uses the eBPF pin folder " + folder.string() +
                                    ": stop it first, or give each its own"
                              : "cannot lock the eBPF pin folder " + folder.string() + ": " + because(why));
  }
  return fd;
}

tl::expected<bool, std::string> is_pinned(const bpf_map* map, const std::filesystem::path& pin) {
  const int fd = bpf_obj_get(pin.c_str());
  if (fd < 0 && errno == ENOENT) {
    return false;
  }
  bpf_map_info info{};
  uint32_t size = sizeof info;
  const bool readable = fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0;
  if (fd >= 0) {
    close(fd);
  }
  if (readable && info.type == bpf_map__type(map) && info.key_size == bpf_map__key_size(map) &&
      info.value_size == bpf_map__value_size(map) && info.max_entries == bpf_map__max_entries(map) &&
      info.map_flags == bpf_map__map_flags(map)) {
    return true;
  }
  return tl::unexpected(pin.string() + " is not a map of this build of weft: whatever pinned it, end it, then remove " +
                        pin.parent_path().string() + " (`rm -r`), and attach the node's pods again");
}

}  // namespace weft::bpf
