// SPDX-License-Identifier: Apache-2.0
/// @file What sysfs says of a PCI device, where DPDK itself says little: may this process have it, and what stands in
/// the way? How devices are bound is in docs/bare-metal.md.
///
/// Reads files; at start only.
#pragma once

#include <filesystem>
#include <string>

namespace weft::runtime {

/// "0000:03:00.1", DPDK's options behind a comma included.
bool is_pci_address(const std::string& device);

/// Why DPDK could not open a PCI device, and what to do: one sentence.
/// @param device a PCI address, as of is_pci_address()
/// @param sysfs where it is mounted
std::string explain_pci(const std::string& device, const std::filesystem::path& sysfs = "/sys");

/// Does the device read and write physical addresses, as no IOMMU translates for it? Its packets then must lie in huge
/// pages, which have such.
bool uses_physical_addresses(const std::string& device, const std::filesystem::path& sysfs = "/sys");

}  // namespace weft::runtime
