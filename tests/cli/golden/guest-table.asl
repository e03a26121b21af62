// Made by vfio-pm guest-table 0.1.0: vfio-pm-guest(7)
DefinitionBlock ("", "SSDT", 2, "VFIOPM", "GUESTPM", 1)
{
    External (\_SB.PCI0, DeviceObj)
    External (\_SB.PCI0.SF8.COM4._STA, IntObj)
    External (\_SB.PCI0.ISA.COM4._STA, IntObj)
    External (\_SB.PCI0.S08.COM4._STA, IntObj)
    External (\_SB.PCI0.S18, DeviceObj)
    External (\_SB.PCI0.S18._EJ0, MethodObj)
    External (\_SB.PCI0.S14, DeviceObj)
    External (\_SB.PCI0.S14.S00, DeviceObj)
    External (\_SB.PCI0.S14.S00._EJ0, MethodObj)
    External (\_SB.PCI0.S14.S01, DeviceObj)
    External (\_SB.PCI0.S14.S01._EJ0, MethodObj)
    If (CondRefOf (\_SB.PCI0.SF8.COM4._STA))
    {
        \_SB.PCI0.SF8.COM4._STA = 0
    }
    If (CondRefOf (\_SB.PCI0.ISA.COM4._STA))
    {
        \_SB.PCI0.ISA.COM4._STA = 0
    }
    If (CondRefOf (\_SB.PCI0.S08.COM4._STA))
    {
        \_SB.PCI0.S08.COM4._STA = 0
    }
    Scope (\_SB)
    {
        OperationRegion (VPIO, SystemIO, 0x0B00, 8)
        Field (VPIO, ByteAcc, NoLock, Preserve)
        {
            VPDA, 8, VPIE, 8, VPFC, 8, VPLC, 8, VPMC, 8, VPLS, 8
        }
        Mutex (VPMX, 0)
        Name (VPSQ, 0)      // number of the question
        Name (VPSD, 0)      // the first one was drawn
        Name (VPPR, 1)      // the last question was answered

        // Sums over a frame: version and kind, port, function, number.
        Method (VPSM, 4, NotSerialized)
        {
            Local0 = (Arg0 + Arg1 + Arg2 + Arg3) & 0xFF
            Local1 = ((Arg0 * 4) + (Arg1 * 3) + (Arg2 * 2) + Arg3) & 0xFF
            Return ((Local0 << 8) | Local1)
        }

        // Send: version and kind, port, function.
        Method (VPSE, 3, NotSerialized)
        {
            Local1 = 100
            While (!(VPLS & 0x20) && (Local1 > 0))
            {
                Stall (50)
                Local1--
            }
            Local0 = VPSM (Arg0, Arg1, Arg2, VPSQ)
            VPDA = 0xF5
            VPDA = 0xFA
            VPDA = Arg0
            VPDA = Arg1
            VPDA = Arg2
            VPDA = VPSQ
            VPDA = (Local0 >> 8)
            VPDA = (Local0 & 0xFF)
        }

        // Kind, port, function, milliseconds. 0: no answer, 1: done, 2: refused.
        Method (VPTX, 4, NotSerialized)
        {
            VPIE = 0
            VPLC = 3
            VPFC = 1
            VPMC = 3
            Local5 = Timer
            If (VPSD == 0)
            {
                VPSD = 1
                VPSQ = (Local5 & 0xFF)
            }
            VPSQ = ((VPSQ + 1) & 0xFF)
            Local1 = ((Arg2 << 24) | (VPSQ << 16) | VPSM (0x1D, Arg1, Arg2, VPSQ))
            Local2 = ((Arg2 << 24) | (VPSQ << 16) | VPSM (0x1E, Arg1, Arg2, VPSQ))
            Local3 = 0
            Local4 = 0
            Local6 = 2500000
            Local7 = 0
            VPSE ((0x10 | Arg0), Arg1, Arg2)
            While (Local7 == 0)
            {
                Local0 = ((Timer - Local5) & 0xFFFFFFFF)
                If (VPLS & 1)
                {
                    Local3 = (((Local3 << 8) | (Local4 >> 24)) & 0xFFFFFFFF)
                    Local4 = (((Local4 << 8) | VPDA) & 0xFFFFFFFF)
                    If ((Local3 == (0xF5FA1D00 | Arg1)) && (Local4 == Local1))
                    {
                        Local7 = 1
                    }
                    ElseIf ((Arg0 == 1) && (Local3 == (0xF5FA1E00 | Arg1)) && (Local4 == Local2))
                    {
                        Local7 = 2  // ON is asked until it is done
                    }
                    ElseIf (Local0 > (Arg3 * 20000))
                    {
                        Break       // noise without an end
                    }
                }
                ElseIf (Local0 > (Arg3 * 10000))
                {
                    Break
                }
                ElseIf ((Arg0 == 2) && (Local0 > Local6))
                {
                    VPSE (0x12, Arg1, Arg2)
                    Local6 = (Local0 + 2500000)
                }
                ElseIf (Local0 < 20000)
                {
                    Stall (20)
                }
                Else
                {
                    Sleep (1)
                }
            }
            VPPR = (Local7 != 0)
            Return (Local7)
        }

        // Port, function. Returns what is known of the device then.
        Method (VPOF, 2, Serialized)
        {
            Local0 = 2000
            If (Acquire (VPMX, 0xFFFE))
            {
                Return (1)
            }
            If (VPPR == 0)
            {
                Local0 = 50
            }
            Local1 = VPTX (1, Arg0, Arg1, Local0)
            Release (VPMX)
            If (Local1 == 2)
            {
                Return (0)
            }
            Return (Local1 + 1)
        }

        // Port, function, what was known of the device.
        Method (VPON, 3, Serialized)
        {
            If (Acquire (VPMX, 0xFFFE))
            {
                Return (1)
            }
            If (Arg2 == 2)
            {
                Local0 = 5000
                If (VPPR == 0)
                {
                    Local0 = 1000
                }
            }
            Else
            {
                Local0 = 500
                If (VPPR == 0)
                {
                    Local0 = 50
                }
            }
            Local1 = VPTX (2, Arg0, Arg1, Local0)
            Release (VPMX)
            If (Local1 == 1)
            {
                Return (0)
            }
            Return (1)
        }
    }

    If (!CondRefOf (\_SB.PCI0.S14))
    {
        Scope (\_SB.PCI0)
        {
            Device (VQ14)
            {
                Name (_ADR, 0x00020004)
            }
        }
    }

    If (CondRefOf (\_SB.PCI0.S18))
    {
        If (!CondRefOf (\_SB.PCI0.S18._EJ0))
        {
            Scope (\_SB.PCI0.S18)
            {
                PowerResource (VPMR, 0, 0)
                {
                    Name (VPST, 1)
                    Name (VPEN, 1)
                    Method (_STA, 0, NotSerialized)
                    {
                        Return (VPST)
                    }
                    Method (_ON, 0, Serialized)
                    {
                        VPEN = \_SB.VPON (0xFF, 0x18, VPEN)
                        VPST = 1
                    }
                    Method (_OFF, 0, Serialized)
                    {
                        VPEN = \_SB.VPOF (0xFF, 0x18)
                        VPST = 0
                    }
                }
                Name (_PR0, Package () { VPMR })
                Name (_PR3, Package () { VPMR })
            }
        }
    }

    If (CondRefOf (\_SB.PCI0.S14.S00))
    {
        If (!CondRefOf (\_SB.PCI0.S14.S00._EJ0))
        {
            Scope (\_SB.PCI0.S14.S00)
            {
                PowerResource (VPMR, 0, 0)
                {
                    Name (VPST, 1)
                    Name (VPEN, 1)
                    Method (_STA, 0, NotSerialized)
                    {
                        Return (VPST)
                    }
                    Method (_ON, 0, Serialized)
                    {
                        VPEN = \_SB.VPON (0x14, 0x00, VPEN)
                        VPST = 1
                    }
                    Method (_OFF, 0, Serialized)
                    {
                        VPEN = \_SB.VPOF (0x14, 0x00)
                        VPST = 0
                    }
                }
                Name (_PR0, Package () { VPMR })
                Name (_PR3, Package () { VPMR })
            }
        }
    }
    ElseIf (CondRefOf (\_SB.PCI0.S14))
    {
        Scope (\_SB.PCI0.S14)
        {
            Device (VP00)
            {
                Name (_ADR, 0x00000000)
                PowerResource (VPMR, 0, 0)
                {
                    Name (VPST, 1)
                    Name (VPEN, 1)
                    Method (_STA, 0, NotSerialized)
                    {
                        Return (VPST)
                    }
                    Method (_ON, 0, Serialized)
                    {
                        VPEN = \_SB.VPON (0x14, 0x00, VPEN)
                        VPST = 1
                    }
                    Method (_OFF, 0, Serialized)
                    {
                        VPEN = \_SB.VPOF (0x14, 0x00)
                        VPST = 0
                    }
                }
                Name (_PR0, Package () { VPMR })
                Name (_PR3, Package () { VPMR })
            }
        }
    }
    ElseIf (CondRefOf (\_SB.PCI0.VQ14))
    {
        Scope (\_SB.PCI0.VQ14)
        {
            Device (VP00)
            {
                Name (_ADR, 0x00000000)
                PowerResource (VPMR, 0, 0)
                {
                    Name (VPST, 1)
                    Name (VPEN, 1)
                    Method (_STA, 0, NotSerialized)
                    {
                        Return (VPST)
                    }
                    Method (_ON, 0, Serialized)
                    {
                        VPEN = \_SB.VPON (0x14, 0x00, VPEN)
                        VPST = 1
                    }
                    Method (_OFF, 0, Serialized)
                    {
                        VPEN = \_SB.VPOF (0x14, 0x00)
                        VPST = 0
                    }
                }
                Name (_PR0, Package () { VPMR })
                Name (_PR3, Package () { VPMR })
            }
        }
    }

    If (CondRefOf (\_SB.PCI0.S14.S01))
    {
        If (!CondRefOf (\_SB.PCI0.S14.S01._EJ0))
        {
            Scope (\_SB.PCI0.S14.S01)
            {
                PowerResource (VPMR, 0, 0)
                {
                    Name (VPST, 1)
                    Name (VPEN, 1)
                    Method (_STA, 0, NotSerialized)
                    {
                        Return (VPST)
                    }
                    Method (_ON, 0, Serialized)
                    {
                        VPEN = \_SB.VPON (0x14, 0x01, VPEN)
                        VPST = 1
                    }
                    Method (_OFF, 0, Serialized)
                    {
                        VPEN = \_SB.VPOF (0x14, 0x01)
                        VPST = 0
                    }
                }
                Name (_PR0, Package () { VPMR })
                Name (_PR3, Package () { VPMR })
            }
        }
    }
    ElseIf (CondRefOf (\_SB.PCI0.S14))
    {
        Scope (\_SB.PCI0.S14)
        {
            Device (VP01)
            {
                Name (_ADR, 0x00000001)
                PowerResource (VPMR, 0, 0)
                {
                    Name (VPST, 1)
                    Name (VPEN, 1)
                    Method (_STA, 0, NotSerialized)
                    {
                        Return (VPST)
                    }
                    Method (_ON, 0, Serialized)
                    {
                        VPEN = \_SB.VPON (0x14, 0x01, VPEN)
                        VPST = 1
                    }
                    Method (_OFF, 0, Serialized)
                    {
                        VPEN = \_SB.VPOF (0x14, 0x01)
                        VPST = 0
                    }
                }
                Name (_PR0, Package () { VPMR })
                Name (_PR3, Package () { VPMR })
            }
        }
    }
    ElseIf (CondRefOf (\_SB.PCI0.VQ14))
    {
        Scope (\_SB.PCI0.VQ14)
        {
            Device (VP01)
            {
                Name (_ADR, 0x00000001)
                PowerResource (VPMR, 0, 0)
                {
                    Name (VPST, 1)
                    Name (VPEN, 1)
                    Method (_STA, 0, NotSerialized)
                    {
                        Return (VPST)
                    }
                    Method (_ON, 0, Serialized)
                    {
                        VPEN = \_SB.VPON (0x14, 0x01, VPEN)
                        VPST = 1
                    }
                    Method (_OFF, 0, Serialized)
                    {
                        VPEN = \_SB.VPOF (0x14, 0x01)
                        VPST = 0
                    }
                }
                Name (_PR0, Package () { VPMR })
                Name (_PR3, Package () { VPMR })
            }
        }
    }
}
