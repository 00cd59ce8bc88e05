// SPDX-License-Identifier: Apache-2.0
/// @file One weftd a prefix: two with the same would delete each other's interfaces, whatever folders of pins they
/// have.
///
/// The lock is a Unix socket's abstract name, which has just the right life and scope: interfaces are a network
/// namespace's, and so are these names; the kernel frees it however the process ends; no file is left behind.
#pragma once

#include <string>
#include <tl/expected.hpp>

#include "pods/netlink.h"

namespace weft::pods {

/// Held as long as the descriptor is open.
tl::expected<Fd, std::string> lock_prefix(const std::string& prefix);

}  // namespace weft::pods
