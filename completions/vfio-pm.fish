# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for vfio-pm(8). Of a device it reads nothing but `class`, `vendor` and `device`:
# other files would wake it.

function __vfio_pm_root --description 'the root that was named, without a slash at its end'
    set -l before (commandline -opc)
    set -l at (contains -i -- --sysroot $before); and set before --sysroot=$before[(math $at + 1)]
    string replace -rf '^--sysroot=(.*?)/?$' '$1' -- $before
end

function __vfio_pm_devices --description 'addresses that fit the verb, group:N, VENDOR:DEVICE'
    set -l before (commandline -opc)
    # Of --option=VALUE the value, of GUESTDEVICE=DEVICE the device.
    set -l word (commandline -ct | string replace -r -- '^.*=' '')
    set -l root (__vfio_pm_root); or set root ''
    for device in $root/sys/bus/pci/devices/*
        set -l name (string replace -r '.*/' '' -- $device)
        contains -- $name $before; and continue
        if contains -- bind $before
            test -d $device/vfio-dev; and continue
            read -l class <$device/class
            string match -qr '^0x060[0-479]' -- $class; and continue
        else if string match -qr '^(enter|exit|hold|unbind|run|cycle|deepen|owner|guest-listen)$' -- $before
            test -d $device/vfio-dev; or continue
        end
        if string match -q -- "$word*" $name
            echo $name
        else if string match -q -- "0000:$word*" $name
            string replace 0000: '' -- $name
        else if string match -q 'g*' -- $word
            for group in $root/sys/kernel/iommu_groups/*/devices/$name
                string replace -r '.*/([0-9]+)/devices/.*' 'group:$1' -- $group
            end
        else if string match -qr '^[0-9a-f]' -- $word
            read -l vendor <$device/vendor
            read -l id <$device/device
            string replace -a 0x '' -- $vendor:$id
        end
    end
end

function __vfio_pm_drivers --description 'drivers that fit the verb'
    set -l before (commandline -opc)
    set -l root (__vfio_pm_root); or set root ''
    contains -- bind $before; and echo vfio-pci
    for driver in $root/sys/bus/pci/drivers/*
        set -l name (string replace -r '.*/' '' -- $driver)
        if contains -- bind $before
            string match -q '*vfio*' -- $name; or continue
        else if contains -- unbind $before
            string match -q '*vfio*' -- $name; and continue
        end
        echo $name
    end
end

function __vfio_pm_value --description 'candidates for what the help calls NAME'
    switch $argv[1]
        case DEVICE
            __vfio_pm_devices
        case '*=DEVICE'
            # What comes first is the guest's, which nothing here knows.
            set -l head (commandline -ct | string replace -r -- '^--[a-z-]+=' '' | string match -r '^.*=')
            and printf '%s\n' $head(__vfio_pm_devices)
        case DRIVER
            __vfio_pm_drivers
        case STATE
            printf '%s\n' D0 D3hot D3cold
            contains -- wait (commandline -opc); and printf '%s\n' active suspended
        case TIME
            set -l number (commandline -ct | string match -r '[0-9]+$'); and printf '%s\n' $number{ms,s,m,h}
        case DIR
            __fish_complete_directories
        case FILE
            __fish_complete_path
        case choice
            printf '%s\n' $argv[2..-1]
        case LIST
            set -l word (commandline -ct | string replace -r -- '^(--output=|-o)' '')
            set -l head (string match -r -- '^.*,|^[+]' $word); or set head ''
            printf '%s\n' $head$__vfio_pm_columns {$head}all
        case COLUMN
            printf '%s\n' $__vfio_pm_columns
        case WHO
            printf '%s\n' any none
        case VERB
            printf '%s\n' $__vfio_pm_verbs
    end
end

# The following is made by completions/generate.sh from `vfio-pm --describe`.
set -g __vfio_pm_verbs list status enter exit hold cycle run wait monitor owner policy bind unbind explain report deepen guest-table guest-listen help
set -g __vfio_pm_columns account acpi acpi_real_state acpi_state active_time address asleep autosuspend bridges cdev class control d3cold driver enable group id kids last_wake members name node numvfs override owner physfn port port_state reset_method residency resources runtime_enabled siblings since sriov state status subsystem suspended_time usage vfio viable wakeup
complete -c vfio-pm -f
complete -c vfio-pm -n __fish_use_subcommand -l sysroot -d 'Read the system below DIR, e.g. a report of another machine' -r -f -a '(__vfio_pm_value DIR)'
complete -c vfio-pm -n __fish_use_subcommand -l verbose -s 'v' -d 'Say on standard error what is done; twice: every step. A holder logs to syslog'
complete -c vfio-pm -n __fish_use_subcommand -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n __fish_use_subcommand -l usage -d 'Give a short usage message'
complete -c vfio-pm -n __fish_use_subcommand -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n __fish_use_subcommand -a list -d 'list devices and their power states'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l all -s 'a' -d 'Not only devices on a VFIO driver'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l driver -d 'Only devices on this driver; \'none\': on no driver' -r -f -a '(__vfio_pm_value DRIVER)'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l owner -d 'Only devices that a process has open: its name or number, \'any\' or \'none\'' -r -f -a '(__vfio_pm_value WHO)'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l asleep -d 'Only devices that are suspended in D3hot or D3cold'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l awake -d 'Only devices that are not'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l group -d 'Every endpoint of the IOMMU groups, too'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l json -s 'J' -d 'Print JSON: an array \'devices\' of objects'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l pairs -s 'P' -d 'Print KEY="value" pairs'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l raw -s 'r' -d 'Print columns without alignment'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l noheadings -s 'n' -d 'Print no headings'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l output -s 'o' -d 'Show the columns LIST, separated by commas, or \'all\'; with a plus in addition to the default ones' -r -f -a '(__vfio_pm_value LIST)'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l list-columns -d 'Say what columns there are'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l sort -d 'Sort by COLUMN' -r -f -a '(__vfio_pm_value COLUMN)'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from list' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a status -d 'show all that is known of devices'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l all -s 'a' -d 'Not only devices on a VFIO driver'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l driver -d 'Only devices on this driver; \'none\': on no driver' -r -f -a '(__vfio_pm_value DRIVER)'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l owner -d 'Only devices that a process has open: its name or number, \'any\' or \'none\'' -r -f -a '(__vfio_pm_value WHO)'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l asleep -d 'Only devices that are suspended in D3hot or D3cold'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l awake -d 'Only devices that are not'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l group -d 'Every endpoint of the IOMMU groups, too'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l json -s 'J' -d 'Print JSON: an array \'devices\' of objects'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l pairs -s 'P' -d 'Print KEY="value" pairs'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l raw -s 'r' -d 'Print columns without alignment'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l noheadings -s 'n' -d 'Print no headings'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l output -s 'o' -d 'Show the columns LIST, separated by commas, or \'all\'; with a plus in addition to the default ones' -r -f -a '(__vfio_pm_value LIST)'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l list-columns -d 'Say what columns there are'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l sort -d 'Sort by COLUMN' -r -f -a '(__vfio_pm_value COLUMN)'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from status' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a enter -d 'put devices into low power and keep them there'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l no-wait -d 'Return as soon as low power is entered, asleep or not'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l json -s 'J' -d 'Print JSON: what became of each device'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l force -d 'With --borrow: also a device in D0, of a guest that is only paused or an owner that isn\'t QEMU; it will find a device that may have lost its state'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l state-loss-ok -d 'With --borrow: also a device in D3hot that promises to keep its state there (No_Soft_Reset), of a guest that doesn\'t sleep'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l timeout -d 'How long the device may take to fall asleep (default 10s); a number with ms, s, m or h' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l on-wake -d 'Notice when something wakes the device, and then let go of it (exit, also without a value), enter low power again (reenter, the default of hold), or keep it awake (stay); or do not notice, the kernel lets it fall asleep again (ignore, the default of enter; a device that is held already keeps what it has)' -f -a '(__vfio_pm_value choice exit ignore reenter stay)'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l backend -d 'Open the device by its IOMMU group, or by iommufd and its own node (default: cdev where the kernel has it)' -r -f -a '(__vfio_pm_value choice auto group cdev)'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l borrow -d 'Act on a device that another process has open, through that process'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l qmp -d 'With --borrow: the owner is a QEMU with this QMP socket. Tells whether its guest sleeps; on exit the guest is woken or continued, once all its devices are awake' -r -f -a '(__vfio_pm_value SOCKET)'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l group -d 'Every endpoint of the IOMMU groups, too'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from enter' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a exit -d 'take devices out of low power and let go of them'
complete -c vfio-pm -n '__fish_seen_subcommand_from exit' -l read -d 'Read a register of the device while it is still open, e.g. 0:0x8; WIDTH is 1, 2 or 4 bytes (default 4). Some registers change when they are read' -r -f -a '(__vfio_pm_value BAR:OFFSET[:WIDTH])'
complete -c vfio-pm -n '__fish_seen_subcommand_from exit' -l json -s 'J' -d 'Print JSON: what became of each device'
complete -c vfio-pm -n '__fish_seen_subcommand_from exit' -l borrow -d 'Act on a device that another process has open, through that process'
complete -c vfio-pm -n '__fish_seen_subcommand_from exit' -l qmp -d 'With --borrow: the owner is a QEMU with this QMP socket. Tells whether its guest sleeps; on exit the guest is woken or continued, once all its devices are awake' -r -f -a '(__vfio_pm_value SOCKET)'
complete -c vfio-pm -n '__fish_seen_subcommand_from exit' -l group -d 'Every endpoint of the IOMMU groups, too'
complete -c vfio-pm -n '__fish_seen_subcommand_from exit' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from exit' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from exit' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from exit' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a hold -d 'the same as enter, in the foreground'
complete -c vfio-pm -n '__fish_seen_subcommand_from hold' -l timeout -d 'How long the device may take to fall asleep (default 10s); a number with ms, s, m or h' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from hold' -l on-wake -d 'Notice when something wakes the device, and then let go of it (exit, also without a value), enter low power again (reenter, the default of hold), or keep it awake (stay); or do not notice, the kernel lets it fall asleep again (ignore, the default of enter; a device that is held already keeps what it has)' -f -a '(__vfio_pm_value choice exit ignore reenter stay)'
complete -c vfio-pm -n '__fish_seen_subcommand_from hold' -l backend -d 'Open the device by its IOMMU group, or by iommufd and its own node (default: cdev where the kernel has it)' -r -f -a '(__vfio_pm_value choice auto group cdev)'
complete -c vfio-pm -n '__fish_seen_subcommand_from hold' -l group -d 'Every endpoint of the IOMMU groups, too'
complete -c vfio-pm -n '__fish_seen_subcommand_from hold' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from hold' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from hold' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from hold' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a cycle -d 'sleep and wake again and again, verified each time'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l count -d 'This many cycles (10)' -r -f -a '(__vfio_pm_value N)'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l duration -d 'As many cycles as fit in TIME' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l asleep -d 'Stay asleep for TIME in each cycle (0)' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l awake -d 'Stay awake for TIME after each cycle (0)' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l state -d 'The state to reach, at least (D3hot: asleep, as deep as it goes)' -r -f -a '(__vfio_pm_value choice D3hot D3cold)'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l timeout -d 'How long it may take to fall asleep (10s)' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l command -d 'Run CMD by the shell when asleep and when awake again, with VFIO_PM_DEVICE, VFIO_PM_PHASE (asleep, awake), VFIO_PM_CYCLE and VFIO_PM_STATE in its environment; an exit status other than 0 is a failure' -r -f -a '(__vfio_pm_value CMD)'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l register -d 'Write VALUE to a 32-bit register before each sleep, and expect it, or the register\'s value at the start where the sleep may lose it, afterwards' -r -f -a '(__vfio_pm_value BAR:OFFSET=VALUE)'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l no-verify -d 'Only look whether it is active in D0 again'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l keep-going -d 'Go on after a failure'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l json -s 'J' -d 'Print the figures as JSON'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l json-lines -d 'One JSON object a cycle as it happens, then one with the figures'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l group -d 'Every endpoint of the IOMMU groups, too'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from cycle' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a run -d 'keep devices in low power while a command runs'
complete -c vfio-pm -n '__fish_seen_subcommand_from run' -l timeout -d 'How long it may take to fall asleep (10s)' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from run' -l no-wait -d 'Start COMMAND at once, asleep or not'
complete -c vfio-pm -n '__fish_seen_subcommand_from run' -l group -d 'Every endpoint of the IOMMU groups, too'
complete -c vfio-pm -n '__fish_seen_subcommand_from run' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from run' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from run' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from run' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a wait -d 'wait until a device is in a state'
complete -c vfio-pm -n '__fish_seen_subcommand_from wait' -l state -d 'suspended or active, the runtime status; D3cold or D3hot: asleep at least that deep; D0: awake in D0' -r -f -a '(__vfio_pm_value STATE)'
complete -c vfio-pm -n '__fish_seen_subcommand_from wait' -l timeout -d 'Give up after TIME (10s); 0: only look' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from wait' -l for -d 'The state must have been kept for TIME' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from wait' -l interval -d 'How often to look where the kernel\'s trace events can\'t be had (50ms)' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from wait' -l group -d 'Every endpoint of the IOMMU groups, too'
complete -c vfio-pm -n '__fish_seen_subcommand_from wait' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from wait' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from wait' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from wait' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a monitor -d 'follow changes of state, driver and owner'
complete -c vfio-pm -n '__fish_seen_subcommand_from monitor' -l json-lines -d 'One JSON object a line'
complete -c vfio-pm -n '__fish_seen_subcommand_from monitor' -l interval -d 'How often to look where the kernel\'s trace events can\'t be had (1s)' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from monitor' -l group -d 'Every endpoint of the IOMMU groups, too'
complete -c vfio-pm -n '__fish_seen_subcommand_from monitor' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from monitor' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from monitor' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from monitor' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a owner -d 'show who has a device open'
complete -c vfio-pm -n '__fish_seen_subcommand_from owner' -l json -s 'J' -d 'Print JSON'
complete -c vfio-pm -n '__fish_seen_subcommand_from owner' -l noheadings -s 'n' -d 'Print no line of headings'
complete -c vfio-pm -n '__fish_seen_subcommand_from owner' -l group -d 'Every endpoint of the IOMMU groups, too'
complete -c vfio-pm -n '__fish_seen_subcommand_from owner' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from owner' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from owner' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from owner' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a policy -d 'show or set what the host allows'
complete -c vfio-pm -n '__fish_seen_subcommand_from policy' -l control -d 'Let runtime power management decide, or keep the device awake' -r -f -a '(__vfio_pm_value choice auto on)'
complete -c vfio-pm -n '__fish_seen_subcommand_from policy' -l d3cold -d 'May the device\'s power be cut?' -r -f -a '(__vfio_pm_value choice allow deny)'
complete -c vfio-pm -n '__fish_seen_subcommand_from policy' -l cap -d 'No deeper than: D3cold is --control=auto --d3cold=allow, D3hot is --d3cold=deny, D0 is --control=on' -r -f -a '(__vfio_pm_value STATE)'
complete -c vfio-pm -n '__fish_seen_subcommand_from policy' -l slot -d 'Every function of the slots, too'
complete -c vfio-pm -n '__fish_seen_subcommand_from policy' -l persist -d 'Apply it whenever the device gets a driver: a udev rule in /etc/udev/rules.d/90-vfio-pm.rules'
complete -c vfio-pm -n '__fish_seen_subcommand_from policy' -l forget -d 'Remove the rules for that address, also of a device that isn\'t there any more'
complete -c vfio-pm -n '__fish_seen_subcommand_from policy' -l dry-run -d 'Only say what would be done'
complete -c vfio-pm -n '__fish_seen_subcommand_from policy' -l json -s 'J' -d 'Print JSON'
complete -c vfio-pm -n '__fish_seen_subcommand_from policy' -l group -d 'Every endpoint of the IOMMU groups, too'
complete -c vfio-pm -n '__fish_seen_subcommand_from policy' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from policy' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from policy' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from policy' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a bind -d 'give devices to a VFIO driver'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l driver -s 'd' -d 'Give it to driver NAME (vfio-pci)' -r -f -a '(__vfio_pm_value DRIVER)'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l group -s 'g' -d 'All endpoints of its IOMMU group, or none'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l dry-run -d 'Check and tell, but change nothing'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l force -d 'Also take what the host uses'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l timeout -d 'How long to wait for the kernel (30 s)' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from bind' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a unbind -d 'give devices back to the host'
complete -c vfio-pm -n '__fish_seen_subcommand_from unbind' -l driver -s 'd' -d 'Give it to driver NAME (the kernel\'s choice)' -r -f -a '(__vfio_pm_value DRIVER)'
complete -c vfio-pm -n '__fish_seen_subcommand_from unbind' -l control -d 'Set power/control afterwards; the kernel leaves it \'on\'' -r -f -a '(__vfio_pm_value choice auto on)'
complete -c vfio-pm -n '__fish_seen_subcommand_from unbind' -l timeout -d 'How long to wait for the kernel (30 s)' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from unbind' -l group -d 'Every endpoint of the IOMMU groups, too'
complete -c vfio-pm -n '__fish_seen_subcommand_from unbind' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from unbind' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from unbind' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from unbind' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a explain -d 'say why a device does not sleep'
complete -c vfio-pm -n '__fish_seen_subcommand_from explain' -l state -d 'The state that is wanted: D3hot or D3cold, or deeper (default: the deepest that the platform offers)' -r -f -a '(__vfio_pm_value choice D3hot D3cold)'
complete -c vfio-pm -n '__fish_seen_subcommand_from explain' -l all -s 'a' -d 'One line for each device on a VFIO driver'
complete -c vfio-pm -n '__fish_seen_subcommand_from explain' -l watch -d 'Watch each DEVICE for TIME first: is it kept busy?' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from explain' -l fix -d 'Apply those mends of what stands in the way that are sysfs attributes of the device, its siblings and bridges; nothing is unbound'
complete -c vfio-pm -n '__fish_seen_subcommand_from explain' -l dry-run -d 'With --fix: show what would be written'
complete -c vfio-pm -n '__fish_seen_subcommand_from explain' -l verbose -s 'v' -d 'Show also the rules that passed, and where the kernel has them'
complete -c vfio-pm -n '__fish_seen_subcommand_from explain' -l json -s 'J' -d 'Everything, as JSON'
complete -c vfio-pm -n '__fish_seen_subcommand_from explain' -l group -d 'Every endpoint of the IOMMU groups, too'
complete -c vfio-pm -n '__fish_seen_subcommand_from explain' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from explain' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from explain' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from explain' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a report -d 'write what explain reads to an archive that travels'
complete -c vfio-pm -n '__fish_seen_subcommand_from report' -l output -s 'o' -d 'Write the archive to FILE; \'-\' is standard output' -r -f -a '(__vfio_pm_value FILE)'
complete -c vfio-pm -n '__fish_seen_subcommand_from report' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from report' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from report' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from report' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a deepen -d 'take what owners put into D3hot further down'
complete -c vfio-pm -n '__fish_seen_subcommand_from deepen' -l all -s 'a' -d 'All devices on a VFIO driver, also those that come later'
complete -c vfio-pm -n '__fish_seen_subcommand_from deepen' -l dwell -d 'How long a device must have been in D3hot (default 5s); with less than 1s devices are looked at as often' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from deepen' -l state-loss-ok -d 'Deepen this device though it promises to keep its state in D3hot; repeatable' -r -f -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n '__fish_seen_subcommand_from deepen' -l rate -d 'At most N transitions a minute and device, up to 120 (default 12; 0: no limit)' -r -f -a '(__vfio_pm_value N)'
complete -c vfio-pm -n '__fish_seen_subcommand_from deepen' -l retry -d 'How long a refused device is left alone (default 60s)' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from deepen' -l suspend-timeout -d 'How long a device may take to suspend while its owner stands still (default 100ms)' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from deepen' -l dry-run -d 'Only say what would be done'
complete -c vfio-pm -n '__fish_seen_subcommand_from deepen' -l json-lines -d 'One JSON object a line'
complete -c vfio-pm -n '__fish_seen_subcommand_from deepen' -l group -d 'Every endpoint of the IOMMU groups, too'
complete -c vfio-pm -n '__fish_seen_subcommand_from deepen' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from deepen' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from deepen' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from deepen' -a '(__vfio_pm_value DEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a guest-table -d 'write the ACPI table that a guest calls'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-table' -l output -s 'o' -d 'Where the compiled table goes' -r -f -a '(__vfio_pm_value FILE)'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-table' -l asl -d 'Print the table\'s text instead; nothing is compiled'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-table' -l socket -d 'Of the socket that QEMU makes for the listener (default /run/vfio-pm/guest.sock)' -r -f -a '(__vfio_pm_value PATH)'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-table' -l qmp -d 'Of a QMP socket for the listener, too' -r -f -a '(__vfio_pm_value PATH)'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-table' -l libvirt -d 'Print libvirt\'s XML instead of QEMU\'s options'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-table' -l machine -d 'QEMU\'s machine type (default q35, the only one)' -r -f -a '(__vfio_pm_value TYPE)'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-table' -l ports -d 'How the VM\'s ports are hot-plugged: off (the default), native; acpi can\'t work' -r -f -a '(__vfio_pm_value HOTPLUG)'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-table' -l dsdt -d 'The VM\'s DSDT: refuse what it has no node for, or one that can be hot-plugged' -r -f -a '(__vfio_pm_value FILE)'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-table' -l iobase -d 'I/O port of the UART: 0xb00 (the default), or 0x2e8, COM4\'s own' -r -f -a '(__vfio_pm_value PORT)'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-table' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-table' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-table' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-table' -a '(__vfio_pm_value GUESTDEVICE)'
complete -c vfio-pm -n __fish_use_subcommand -a guest-listen -d 'do what a guest\'s ACPI table asks for'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-listen' -l socket -d 'The socket that QEMU has made for the guest\'s UART' -r -f -a '(__vfio_pm_value PATH)'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-listen' -l device -d 'The guest\'s device, as guest-table takes it, and the host\'s; repeatable' -r -f -a '(__vfio_pm_value GUESTDEVICE=DEVICE)'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-listen' -l qmp -d 'QEMU\'s monitor, which tells of resets and S3 at once' -r -f -a '(__vfio_pm_value PATH)'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-listen' -l rate -d 'At most N transitions a minute and device, up to 120 (default 12; 0: no limit)' -r -f -a '(__vfio_pm_value N)'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-listen' -l dwell -d 'How long a device stays awake at least (default 1s)' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-listen' -l suspend-timeout -d 'How long a device may take to suspend before low power is left again (default 2s)' -r -f -a '(__vfio_pm_value TIME)'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-listen' -l json-lines -d 'One JSON object a line'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-listen' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-listen' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from guest-listen' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n __fish_use_subcommand -a help -d 'show the help of a verb'
complete -c vfio-pm -n '__fish_seen_subcommand_from help' -l help -s '?' -d 'Give this help list'
complete -c vfio-pm -n '__fish_seen_subcommand_from help' -l usage -d 'Give a short usage message'
complete -c vfio-pm -n '__fish_seen_subcommand_from help' -l version -s 'V' -d 'Print program version'
complete -c vfio-pm -n '__fish_seen_subcommand_from help' -a '(__vfio_pm_value VERB)'

