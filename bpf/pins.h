// SPDX-License-Identifier: Apache-2.0
/// @file What must hold of the folder of pins before libbpf may use it, said in sentences.
///
/// libbpf itself answers most of these with EPERM or EINVAL. Control thread only.
#pragma once

#include <filesystem>
#include <string>
#include <tl/expected.hpp>

struct bpf_map;

namespace weft::bpf {

/// Makes the folder if need be and locks it for this process. Returns a file descriptor that holds the lock until
/// closed.
tl::expected<int, std::string> lock_pin_folder(const std::filesystem::path& folder);

/// Is a map pinned here? An error if something is, but not a map that this program could have made.
tl::expected<bool, std::string> is_pinned(const bpf_map* map, const std::filesystem::path& pin);

}  // namespace weft::bpf
