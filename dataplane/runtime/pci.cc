// SPDX-License-Identifier: Apache-2.0
#include "runtime/pci.h"

#include <fmt/format.h>

#include <fstream>

namespace weft::runtime {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVfio = "vfio-pci";
constexpr const char* kHowTo = "bind it to vfio-pci (docs/bare-metal.md)";

std::string address_of(const std::string& device) {
  return device.substr(0, device.find(','));
}

/// What a link of sysfs points to, by its last name; empty if there is no such link.
std::string target_of(const fs::path& link) {
  std::error_code none;
  return fs::read_symlink(link, none).filename();
}

bool is_uio(const std::string& driver) {
  return driver == "uio_pci_generic" || driver == "igb_uio";
}

bool without_iommu(const fs::path& device) {
  std::string name;
  std::getline(std::ifstream(device / "iommu_group" / "name"), name);
  return name == "vfio-noiommu";
}

/// A device of the same group that the kernel still drives; VFIO gives away groups whole. Bridges may stay.
std::string neighbour_of(const fs::path& device) {
  std::error_code none;
  for (const fs::directory_entry& other : fs::directory_iterator(device / "iommu_group" / "devices", none)) {
    const std::string driver = target_of(other.path() / "driver");
    if (!driver.empty() && driver != kVfio && driver != "pcieport") {
      return fmt::format("{} (driver {})", other.path().filename().string(), driver);
    }
  }
  return "";
}

}  // namespace

bool is_pci_address(const std::string& device) {
  const std::string name = address_of(device);
  return name.size() == 12 && name[4] == ':' && name[7] == ':' && name[10] == '.';
}

std::string explain_pci(const std::string& device, const fs::path& sysfs) {
  const fs::path path = sysfs / "bus/pci/devices" / address_of(device);
  if (!fs::exists(path)) {
    return "there is no such PCI device (lspci -D lists them)";
  }
  const std::string driver = target_of(path / "driver");
  if (driver.empty()) {
    return fmt::format("no driver has the device: {}", kHowTo);
  }
  if (is_uio(driver)) {
    return "DPDK has no driver for this device, or another process uses it";
  }
  if (driver != kVfio) {
    return fmt::format("the kernel's driver {} has the device: {}", driver, kHowTo);
  }
  if (!fs::exists(path / "iommu_group")) {
    return "it has no IOMMU group: boot with intel_iommu=on or amd_iommu=on, or see docs/bare-metal.md on machines "
           "without an IOMMU";
  }
  if (const std::string neighbour = neighbour_of(path); !neighbour.empty()) {
    return fmt::format("its IOMMU group has a device that the kernel still uses, {}: bind that to vfio-pci too",
                       neighbour);
  }
  return "DPDK has no driver for this device, or another process uses it";
}

bool uses_physical_addresses(const std::string& device, const fs::path& sysfs) {
  const fs::path path = sysfs / "bus/pci/devices" / address_of(device);
  const std::string driver = target_of(path / "driver");
  return is_uio(driver) || (driver == kVfio && without_iommu(path));
}

}  // namespace weft::runtime
